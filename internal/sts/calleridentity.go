package sts

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/awserr"
	"kube-aws-iam-controller/internal/identity"
)

// ownIdentity knows who the controller is in AWS: which account names mean,
// and which roles are its own. AWS is asked when that is first needed, and
// only once, so that a restart over fresh credentials asks nothing.
type callerIdentity struct {
	sts                 *sts.Client // with the credentials before --assume-role
	controllerNamespace string
	configuredBase      identity.BaseRole // zero until known
	intermediate        identity.RoleReference
	configuredRoles     []identity.RoleReference // by flags

	answer lazy[caller]
}

// caller is what GetCallerIdentity tells.
type caller struct {
	partition, account string
	arn                string                 // as it was told
	id                 string                 // unique id of the role or user
	role               identity.RoleReference // zero for a user
}

func newCallerIdentity(cfg aws.Config, options Options) (*callerIdentity, error) {
	own := &callerIdentity{sts: sts.NewFromConfig(cfg), controllerNamespace: options.ControllerNamespace}
	var err error
	if options.BaseRoleARN != "" {
		if own.configuredBase, err = identity.ParseBaseRole(options.BaseRoleARN); err != nil {
			return nil, err
		}
	}
	if options.AssumeRole != "" {
		if own.intermediate, err = identity.ParseRole(options.AssumeRole); err != nil {
			return nil, err
		}
	}
	if options.ControllerRoleARN != "" {
		role, err := identity.ParseRole(options.ControllerRoleARN)
		if err != nil {
			return nil, err
		}
		own.configuredRoles = append(own.configuredRoles, role)
	}
	return own, nil
}

// resolve returns the role that want means, if it may have it.
func (o *callerIdentity) resolve(ctx context.Context, want identity.Desired) (identity.RoleReference, error) {
	who, err := o.lookUp(ctx)
	if err != nil {
		return identity.RoleReference{}, err
	}
	base := o.baseFor(who)
	role, err := want.Role.Resolve(base)
	if err != nil {
		return role, err
	}
	if role.Partition != who.partition {
		return role, fmt.Errorf("the role is in the partition %s, the controller in %s: roles cannot be assumed across partitions", role.Partition, who.partition)
	}
	if o.isControllerRole(role, who, base) {
		return role, o.checkNamespace(role, want.Namespace)
	}
	return role, nil
}

// mayHaveOwn returns an error unless an object of a namespace may have a role of
// the controller's own. Where it is not known which namespace is the controller's,
// none may; but that says nothing against the credentials that are there, and
// these may be the ones that the controller itself runs on. So it is no
// *identity.InvalidError, which would have them removed.
func (o *callerIdentity) checkNamespace(role identity.RoleReference, namespace string) error {
	switch o.controllerNamespace {
	case "":
		return fmt.Errorf("%s is the controller's own role, which only objects in the controller's own namespace may have, and that is not known: "+
			"set POD_NAMESPACE for the controller, or use another role", role)
	case namespace:
		return nil
	default:
		return &identity.InvalidError{
			Reason:  api.RoleNotPermitted,
			Message: fmt.Sprintf("%s is the controller's own role: it is not handed out, use another", role),
		}
	}
}

func (o *callerIdentity) isControllerRole(role identity.RoleReference, who *caller, base identity.BaseRole) bool {
	if who.role.SameRole(role) {
		return true
	}
	for _, own := range o.configuredRoles {
		if own.SameRole(role) {
			return true
		}
	}
	if o.intermediate == (identity.RoleReference{}) {
		return false
	}
	intermediate, err := o.intermediate.Resolve(base)
	return err == nil && intermediate.SameRole(role)
}

func (o *callerIdentity) baseFor(who *caller) identity.BaseRole {
	if o.configuredBase != (identity.BaseRole{}) {
		return o.configuredBase
	}
	return o.accountOf(who)
}

// homeOf returns the account that the controller's own credentials are of.
func (o *callerIdentity) accountOf(who *caller) identity.BaseRole {
	if who == nil {
		return identity.BaseRole{}
	}
	return identity.BaseRole{Partition: who.partition, Account: who.account}
}

// known is whoAmI with an error in words for people.
func (o *callerIdentity) lookUp(ctx context.Context) (*caller, error) {
	who, err := o.getCallerIdentity(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask AWS who the controller is: %w", awserr.Describe(err))
	}
	return who, nil
}

func (o *callerIdentity) getCallerIdentity(ctx context.Context) (*caller, error) {
	return o.answer.get(ctx, func(ctx context.Context) (*caller, error) {
		out, err := o.sts.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
		if err != nil {
			return nil, err
		}
		return parseCaller(aws.ToString(out.Arn), aws.ToString(out.UserId))
	})
}

// accountDigits is how long an account's id is.
const accountDigits = 12

// parseCaller reads arn:aws:sts::123456789012:assumed-role/name/session, which
// lacks the role's path, or the ARN of a user.
func parseCaller(value, userID string) (*caller, error) {
	a, err := arn.Parse(value)
	if err != nil || a.Partition == "" || len(a.AccountID) != accountDigits {
		return nil, fmt.Errorf("STS answered with %s for an ARN", identity.Quote(value))
	}
	who := &caller{partition: a.Partition, account: a.AccountID, arn: value, id: uniqueID(userID)}
	if rest, isRole := strings.CutPrefix(a.Resource, "assumed-role/"); isRole {
		name, _, _ := strings.Cut(rest, "/")
		who.role = identity.RoleReference{Partition: a.Partition, Account: a.AccountID, Name: name}
	}
	return who, nil
}

// through returns cfg with the credentials of the intermediate role.
func (o *callerIdentity) withAssumedRole(cfg aws.Config) aws.Config {
	cfg.Credentials = explainedProvider{source: "the role of --assume-role cannot be assumed", remedy: "have its trust policy allow the controller", CredentialsProvider: aws.NewCredentialsCache(aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
		who, err := o.getCallerIdentity(ctx)
		if err != nil {
			return aws.Credentials{}, err
		}
		role, err := o.intermediate.Resolve(o.baseFor(who))
		if err != nil {
			return aws.Credentials{}, err
		}
		return stscreds.NewAssumeRoleProvider(o.sts, role.String(), func(opts *stscreds.AssumeRoleOptions) {
			opts.RoleSessionName = api.ControllerName
		}).Retrieve(ctx)
	}))}
	return cfg
}

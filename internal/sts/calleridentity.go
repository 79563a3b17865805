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
	"kube-aws-iam-controller/internal/identity"
)

// callerIdentity knows who the controller is in AWS, and therefore which roles are
// its own and in which account role names are resolved. AWS is asked once, when
// this is first needed, so that a restart with fresh credentials makes no call.
type callerIdentity struct {
	sts                 *sts.Client // with the credentials from before --assume-role
	controllerNamespace string
	configuredBase      identity.BaseRole // zero if not configured
	intermediate        identity.RoleReference
	configuredRoles     []identity.RoleReference // by --controller-role-arn

	availability *availability
	answer       lazy[caller]
}

// caller is the result of GetCallerIdentity.
type caller struct {
	partition, account string
	arn                string                 // as returned
	id                 string                 // unique ID of the role or user
	role               identity.RoleReference // zero for a user
}

func newCallerIdentity(cfg aws.Config, options Options) (*callerIdentity, error) {
	c := &callerIdentity{sts: sts.NewFromConfig(cfg), controllerNamespace: options.ControllerNamespace, availability: &availability{}}
	var err error
	if options.BaseRoleARN != "" {
		if c.configuredBase, err = identity.ParseBaseRole(options.BaseRoleARN); err != nil {
			return nil, err
		}
	}
	if options.AssumeRole != "" {
		if c.intermediate, err = identity.ParseRole(options.AssumeRole); err != nil {
			return nil, err
		}
	}
	if options.ControllerRoleARN != "" {
		role, err := identity.ParseRole(options.ControllerRoleARN)
		if err != nil {
			return nil, err
		}
		c.configuredRoles = append(c.configuredRoles, role)
	}
	return c, nil
}

// resolve returns the role that want requests, or an error if want's namespace may
// not use it.
func (c *callerIdentity) resolve(ctx context.Context, want identity.Desired) (identity.RoleReference, error) {
	who, err := c.lookUp(ctx)
	if err != nil {
		return identity.RoleReference{}, err
	}
	base := c.baseFor(who)
	role, err := want.Role.Resolve(base)
	if err != nil {
		return role, err
	}
	if role.Partition != who.partition {
		return role, fmt.Errorf("the role is in the partition %s, the controller in %s: roles cannot be assumed across partitions", role.Partition, who.partition)
	}
	if c.isControllerRole(role, who, base) {
		return role, c.checkNamespace(role, want.Namespace)
	}
	return role, nil
}

// checkNamespace returns an error unless objects of a namespace may use one of the
// controller's roles. If the controller's namespace is unknown, none may. That
// error is not an *identity.InvalidError, which would have existing credentials
// removed, because these may be the ones that the controller itself is using.
func (c *callerIdentity) checkNamespace(role identity.RoleReference, namespace string) error {
	switch c.controllerNamespace {
	case "":
		return fmt.Errorf("%s is the controller's own role, which only objects in the controller's own namespace may have, and that is not known: "+
			"set POD_NAMESPACE for the controller, or use another role", role)
	case namespace:
		return nil
	default:
		return &identity.InvalidError{
			Reason:  api.RoleNotPermitted,
			Message: fmt.Sprintf("%s is the controller's own role, which only objects in the controller's own namespace may use: choose another role", role),
		}
	}
}

func (c *callerIdentity) isControllerRole(role identity.RoleReference, who *caller, base identity.BaseRole) bool {
	if who.role.SameRole(role) {
		return true
	}
	for _, configured := range c.configuredRoles {
		if configured.SameRole(role) {
			return true
		}
	}
	if c.intermediate == (identity.RoleReference{}) {
		return false
	}
	intermediate, err := c.intermediate.Resolve(base)
	return err == nil && intermediate.SameRole(role)
}

func (c *callerIdentity) baseFor(who *caller) identity.BaseRole {
	if c.configuredBase != (identity.BaseRole{}) {
		return c.configuredBase
	}
	return c.accountOf(who)
}

// accountOf returns the account of the controller's credentials.
func (c *callerIdentity) accountOf(who *caller) identity.BaseRole {
	if who == nil {
		return identity.BaseRole{}
	}
	return identity.BaseRole{Partition: who.partition, Account: who.account}
}

// lookUp is getCallerIdentity with an error worded for events.
func (c *callerIdentity) lookUp(ctx context.Context) (*caller, error) {
	who, err := c.getCallerIdentity(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask AWS who the controller is: %w", describe(err))
	}
	return who, nil
}

// getCallerIdentity calls STS until it answers, and as rarely as for a role while it is
// away: after a restart during an outage this is what everybody asks first.
func (c *callerIdentity) getCallerIdentity(ctx context.Context) (*caller, error) {
	return c.answer.get(ctx, func(ctx context.Context) (*caller, error) {
		var out *sts.GetCallerIdentityOutput
		err := c.availability.ask(func() (err error) {
			out, err = c.sts.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
			return err
		})
		if err != nil {
			return nil, err
		}
		return parseCaller(aws.ToString(out.Arn), aws.ToString(out.UserId))
	})
}

// accountDigits is the length of an account ID.
const accountDigits = 12

// parseCaller parses the ARN of a user, or
// arn:aws:sts::123456789012:assumed-role/name/session, which lacks the path of the
// role.
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

// withAssumedRole returns cfg with credentials of the role of --assume-role.
func (c *callerIdentity) withAssumedRole(cfg aws.Config) aws.Config {
	cfg.Credentials = explainedProvider{source: "the role of --assume-role cannot be assumed", remedy: "have its trust policy allow the controller", CredentialsProvider: aws.NewCredentialsCache(aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
		who, err := c.getCallerIdentity(ctx)
		if err != nil {
			return aws.Credentials{}, err
		}
		role, err := c.intermediate.Resolve(c.baseFor(who))
		if err != nil {
			return aws.Credentials{}, err
		}
		return stscreds.NewAssumeRoleProvider(c.sts, role.String(), func(opts *stscreds.AssumeRoleOptions) {
			opts.RoleSessionName = api.ControllerName
		}).Retrieve(ctx)
	}))}
	return cfg
}

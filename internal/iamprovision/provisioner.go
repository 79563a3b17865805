// Package iamprovision makes IAM roles of identities' own: it creates them,
// makes them match what is asked for, and takes them away.
package iamprovision

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/smithy-go/middleware"
	"github.com/go-kit/log"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/awserr"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/limit"
	"kube-aws-iam-controller/internal/trust"
)

// Options say how roles are made.
type Options struct {
	// ClusterName is in the name, path, tags and trust policy of each role.
	ClusterName string
	// Path is that of all roles, "" for DefaultPath.
	Path string
	// Boundary is the ARN of the permissions boundary of each role, "" for
	// none, which has to be asked for by AllowWithoutBoundary.
	Boundary             string
	AllowWithoutBoundary bool
	// Tags are put on each role besides those that make it ours.
	Tags map[string]string
	// MaxPerNamespace is how many roles are made for one namespace, 0 for any number.
	MaxPerNamespace int
	// ClusterUID returns the UID of the cluster, "" where that is not known. nil is
	// for one that is not.
	ClusterUID func(context.Context) (string, error)
	// AdoptUID is that of the cluster whose roles become this one's, "" for none.
	AdoptUID string
	// Owners yields what asks for a role of its own. nil is for not known.
	Owners func() iter.Seq[identity.Key]
	Logger log.Logger // nil for none
	// QPS is how many requests a second are made at most, twice as many for
	// a moment.
	QPS float64
	// Principal returns the ARN that trust policies name.
	Principal func(context.Context) (string, error)
	// Account returns where roles are made.
	Account func(context.Context) (identity.BaseRole, error)
	// SessionName returns the name of the sessions of a ServiceAccount, which trust
	// policies demand.
	SessionName func(namespace, name string) string
	// CarriesTags says whether, and then why and what to do about it, the controller's
	// session has tags that new trust policies refuse. It is asked on behalf of a role
	// that does not.
	CarriesTags func(ctx context.Context, want identity.Desired) (why string, err error)
}

// A Provisioner makes roles. It is for use by many at once.
type Provisioner struct {
	Options
	iam     *iam.Client
	deleted deleted
	census  *census
}

// New returns a Provisioner with the controller's credentials in cfg. It makes
// no call.
func New(cfg aws.Config, options Options) *Provisioner {
	if options.Path == "" {
		options.Path = DefaultPath(options.ClusterName)
	}
	if options.Logger == nil {
		options.Logger = log.NewNopLogger()
	}
	return &Provisioner{
		Options: options, iam: iam.NewFromConfig(cfg, iam.WithAPIOptions(takingTurns(limit.NewRequests(options.QPS)))), census: newCensus(),
	}
}

// Disabled returns an *identity.InvalidError that says what has to be set before
// roles are made, nil for nothing.
func (p *Provisioner) Disabled() error {
	flag := ""
	switch {
	case p.Boundary == "" && !p.AllowWithoutBoundary:
		flag = "--permissions-boundary"
	case p.ClusterName == "":
		flag = "--cluster-name"
	default:
		return nil
	}
	return &identity.InvalidError{
		Reason:  api.ProvisioningDisabled,
		Message: "this controller makes no roles: set " + flag + " on it, or name an existing role in " + api.Prefix + "role",
	}
}

// spec is what a role has to be like.
type spec struct {
	key         identity.Key
	want        identity.Desired
	name, path  string
	trust       string
	before      string // the trust policy that versions before gave roles
	policy      string // "" for none
	managed     []string
	boundary    string // "" for none
	session     int32  // seconds
	description string
	tags        map[string]string
	uid         string // of the cluster, "" if not known
	// look says that nothing is to be written.
	look bool
}

// maxSessionFloor is the least that IAM takes for a role's longest session.
const maxSessionFloor = 3600

func (p *Provisioner) spec(ctx context.Context, want identity.Desired) (spec, error) {
	principal, err := p.Principal(ctx)
	if err != nil {
		// Its own words name the remedy, which AWS's alone do not.
		return spec{}, &identity.StepError{
			Reason:  api.ProvisionFailed,
			Message: fmt.Sprintf("Failed to provision role '%s': %v", roleName(p.ClusterName, want.Key), err),
			Err:     err,
		}
	}
	policy, err1 := trust.ManagedPolicy(principal, want.ExternalID, p.SessionName(want.Namespace, want.Name))
	before, err2 := trust.Policy(principal, want.ExternalID, "")
	if err = errors.Join(err1, err2); err != nil {
		return spec{}, err
	}
	tags := maps.Clone(p.Tags)
	if tags == nil {
		tags = map[string]string{}
	}
	maps.Copy(tags, ownTags(p.ClusterName, want.Key))
	uid, err := p.uid(ctx)
	if err != nil {
		return spec{}, err
	}
	return spec{
		key: want.Key, want: want,
		name: roleName(p.ClusterName, want.Key), path: p.Path,
		trust: policy, before: before, policy: want.Managed.Policy, managed: want.Managed.ManagedPolicies,
		boundary:    p.Boundary,
		session:     max(maxSessionFloor, int32(want.SessionDuration.Seconds())),
		description: "ServiceAccount " + want.Namespace + "/" + want.Name + " of the cluster " + p.ClusterName,
		tags:        tags,
		uid:         uid,
	}, nil
}

// uid returns the UID of the cluster, "" where that is not known.
func (p *Provisioner) uid(ctx context.Context) (string, error) {
	if p.ClusterUID == nil {
		return "", nil
	}
	uid, err := p.ClusterUID(ctx)
	if err != nil {
		return "", awserr.Plain(err, "learn the UID of this cluster: %v", err)
	}
	return uid, nil
}

// takingTurns returns what makes each operation wait for its turn at IAM.
func takingTurns(turns *limit.Requests) func(*middleware.Stack) error {
	return func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("TakeTurn", func(
			ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
		) (middleware.InitializeOutput, middleware.Metadata, error) {
			if err := turns.Wait(ctx); err != nil {
				return middleware.InitializeOutput{}, middleware.Metadata{}, &awserr.PlainError{
					Message: fmt.Sprintf("wait for a turn at IAM: %v", err), Err: err,
				}
			}
			return next.HandleInitialize(ctx, in)
		}), middleware.Before)
	}
}

// failed says which step of provisioning failed.
func failed(role string, err error) error {
	if _, ok := errors.AsType[*identity.StepError](err); ok {
		return err
	}
	return &identity.StepError{
		Reason:  api.ProvisionFailed,
		Message: fmt.Sprintf("Failed to provision role '%s': %v", role, awserr.Describe(err)),
		Err:     err,
		Soon:    soon(role, err),
	}
}

func notOwned(role, why string) error {
	return &identity.StepError{
		Reason:  api.RoleNotOwned,
		Message: fmt.Sprintf("Role '%s' exists and is not this ServiceAccount's: %s; nothing in it was changed, delete or rename it", role, why),
		Err:     errors.New(why),
	}
}

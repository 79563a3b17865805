// Package iamprovision makes IAM roles of identities' own: it creates them,
// makes them match what is asked for, and takes them away.
package iamprovision

import (
	"context"
	"fmt"
	"iter"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/smithy-go/middleware"
	"github.com/go-kit/log"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/awserr"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/limit"
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
	TransitiveTags func(ctx context.Context, want identity.Desired) (why string, err error)
}

// A Provisioner makes roles. It is for use by many at once.
type Provisioner struct {
	Options
	iam        *iam.Client
	tombstones tombstones
	inventory  *inventory
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
		Options: options, iam: iam.NewFromConfig(cfg, iam.WithAPIOptions(throttle(limit.NewRequests(options.QPS)))), inventory: newInventory(),
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
		Message: "this controller makes no roles: set " + flag + " on it, or name an existing role in " + api.RoleAnnotation,
	}
}

// takingTurns returns what makes each operation wait for its turn at IAM.
func throttle(turns *limit.Requests) func(*middleware.Stack) error {
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

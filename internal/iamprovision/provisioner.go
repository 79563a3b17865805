// Package iamprovision manages IAM roles: it creates them, makes them match their
// specification, and deletes them.
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

// Options configure a Provisioner.
type Options struct {
	// ClusterName is part of the name, path, tags and trust policy of each role.
	ClusterName string
	// Path is the path of all roles, "" for DefaultPath.
	Path string
	// Boundary is the ARN of the permissions boundary of each role. It may only be
	// "" if AllowWithoutBoundary is set.
	Boundary             string
	AllowWithoutBoundary bool
	// Tags are added to each role besides the tags that identify it.
	Tags map[string]string
	// MaxPerNamespace limits the number of roles per namespace, 0 for no limit.
	MaxPerNamespace int
	// ClusterUID returns the UID of the cluster, "" if it is unknown; nil if it is
	// never known.
	ClusterUID func(context.Context) (string, error)
	// AdoptUID is the UID of a cluster whose roles this one takes over, "" for
	// none.
	AdoptUID string
	// Owners yields the identities that request a managed role; nil if they are
	// unknown.
	Owners func() iter.Seq[identity.Key]
	Logger log.Logger // nil for none
	// QPS limits the requests per second to IAM; bursts may have up to twice that.
	QPS float64
	// Principal returns the ARN that trust policies name.
	Principal func(context.Context) (string, error)
	// Account returns the partition and account in which roles are created.
	Account func(context.Context) (identity.BaseRole, error)
	// PassedOn are actions concerning what the controller's session passes on, which
	// trust policies allow beside sts:TagSession.
	PassedOn []string
	// SessionName returns the session name of a ServiceAccount, which trust
	// policies require.
	SessionName func(namespace, name string) string
	// TransitiveTags returns why the controller's session has tags that new trust
	// policies reject, and the remedy; "" if it has none. It is determined with
	// want's role, whose trust policy accepts such tags.
	TransitiveTags func(ctx context.Context, want identity.Desired) (why string, err error)
}

// A Provisioner manages roles. It is safe for concurrent use.
type Provisioner struct {
	Options
	iam        *iam.Client
	requests   *limit.Requests
	tombstones tombstones
	inventory  *inventory
	boundary   boundary
}

// New returns a Provisioner that uses the credentials of cfg. It makes no call.
func New(cfg aws.Config, options Options) *Provisioner {
	if options.Path == "" {
		options.Path = DefaultPath(options.ClusterName)
	}
	if options.Logger == nil {
		options.Logger = log.NewNopLogger()
	}
	requests := limit.NewRequests(options.QPS)
	return &Provisioner{
		Options: options, iam: iam.NewFromConfig(cfg, iam.WithAPIOptions(throttle(requests))), requests: requests, inventory: newInventory(),
	}
}

// Busy reports whether a request to IAM would have to wait for its turn.
func (p *Provisioner) Busy() bool { return p.requests.Busy() }

// Disabled returns an *identity.InvalidError that names the flag to set before
// roles are created, nil if they are.
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
		Message: "managed roles are disabled: have the controller run with " + flag + ", or name an existing role in " + api.RoleAnnotation,
	}
}

// throttle returns middleware that delays each operation to respect the rate limit.
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

// Package session assumes roles: those that objects ask for, and the
// controller's own.
package sts

import (
	"context"
	"os"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/limit"
)

// Options say on whose behalf roles are assumed.
type Options struct {
	// BaseRoleARN is where role names are looked up, "" for the account that
	// the controller runs in.
	BaseRoleARN string
	// AssumeRole is assumed first, "" for none.
	AssumeRole string
	// ControllerRoleARN is one more role of the controller's own.
	ControllerRoleARN string
	// OwnNamespace may use the controller's own roles, no other may.
	ControllerNamespace string
	// ClusterName is a session tag.
	ClusterName string
	// SessionTags turns session tags on.
	SessionTags bool
	// QPS is how many roles are assumed a second at most, twice as many for a
	// moment.
	QPS float64
}

// An Assumer assumes roles. It is for use by many at once.
type Assumer struct {
	Options

	cfg     aws.Config
	caller  *callerIdentity
	sts     *sts.Client
	iam     *iam.Client // with the credentials before AssumeRole
	limiter *limit.Requests
	chained atomic.Pointer[chainingLimit]
	// principal is what trust policies have to name, once it is known.
	principal lazy[string]
	// podIdentity says that the controller's own credentials are of EKS Pod Identity.
	podIdentity    bool
	transitiveTags transitiveTags
}

// New returns an Assumer with the controller's own credentials in cfg. It
// makes no call.
func New(cfg aws.Config, options Options) (*Assumer, error) {
	podIdentity := isPodIdentity(cfg.Credentials, os.Getenv)
	cfg.Credentials = explainErrors(cfg.Credentials)
	own, err := newCallerIdentity(cfg, options)
	if err != nil {
		return nil, err
	}
	plain := iam.NewFromConfig(cfg)
	if options.AssumeRole != "" {
		cfg = own.withAssumedRole(cfg)
	}
	return &Assumer{
		Options: options,
		cfg:     cfg,
		caller:  own,
		sts:     sts.NewFromConfig(cfg),
		iam:     plain,
		limiter: limit.NewRequests(options.QPS),

		podIdentity: podIdentity,
	}, nil
}

// Config returns the configuration with which roles are assumed, and with which
// they are made.
func (a *Assumer) Config() aws.Config { return a.cfg }

// Resolve returns the role that want asks for. Errors are as those of Assume.
func (a *Assumer) Resolve(ctx context.Context, want identity.Desired) (identity.RoleReference, error) {
	return a.caller.resolve(ctx, want)
}

// Base returns where role names are looked up.
func (a *Assumer) Base(ctx context.Context) (identity.BaseRole, error) {
	who, err := a.caller.lookUp(ctx)
	if err != nil {
		return identity.BaseRole{}, err
	}
	return a.caller.baseFor(who), nil
}

// RunsOn says whether the controller may be running on credentials of a role that
// an object of a namespace has: one of its own roles, in its own namespace, or in
// any while that is not known. It asks AWS at most once, and only there.
func (a *Assumer) MayRunOn(ctx context.Context, namespace string, role identity.RoleReference) (bool, error) {
	if own := a.caller.controllerNamespace; own != "" && own != namespace {
		return false, nil
	}
	who, err := a.caller.lookUp(ctx)
	if err != nil {
		return false, err
	}
	return a.caller.isControllerRole(role, who, a.caller.baseFor(who)), nil
}

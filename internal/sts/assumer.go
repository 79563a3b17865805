// Package sts assumes IAM roles: those that objects request, and the one that the
// controller itself may be configured to use.
package sts

import (
	"context"
	"os"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/limit"
)

// Options configure an Assumer.
type Options struct {
	// BaseRoleARN completes role names, "" for the account of the controller.
	BaseRoleARN string
	// AssumeRole is a role that the controller assumes before all others, "" for
	// none.
	AssumeRole string
	// ControllerRoleARN is the ARN of the controller's role, for when it cannot be
	// determined; "" if it can.
	ControllerRoleARN string
	// ControllerNamespace is the only namespace whose objects may use the
	// controller's own roles, "" if unknown.
	ControllerNamespace string
	// ClusterName is the value of a session tag.
	ClusterName string
	// SessionTags enables session tags.
	SessionTags bool
	// CredentialsFailed is called when the source of the controller's own credentials
	// has none, nil for nobody.
	CredentialsFailed func()
	// QPS limits the AssumeRole requests per second; bursts may have up to twice
	// that.
	QPS float64
}

// An Assumer assumes roles. It is safe for concurrent use.
type Assumer struct {
	Options

	cfg     aws.Config
	caller  *callerIdentity
	sts     *sts.Client
	iam     *iam.Client // with the credentials from before AssumeRole
	limiter *limit.Requests
	chained atomic.Pointer[chainingLimit]
	// availability is that of STS, which caller asks as well.
	availability *availability
	// principal is the ARN that trust policies have to name.
	principal lazy[string]
	// podIdentity reports that the controller's credentials come from EKS Pod Identity.
	podIdentity bool
	// file holds the controller's credentials, nil if they are not from a file.
	file           *fileProvider
	transitiveTags transitiveTags
}

// New returns an Assumer that uses the credentials of cfg. It makes no call.
func New(cfg aws.Config, options Options) (*Assumer, error) {
	podIdentity := isPodIdentity(cfg.Credentials, os.Getenv)
	file, _ := cfg.Credentials.(*fileProvider)
	cfg.Credentials = explainErrors(cfg.Credentials, options.CredentialsFailed)
	caller, err := newCallerIdentity(cfg, options)
	if err != nil {
		return nil, err
	}
	plain := iam.NewFromConfig(ForIAM(cfg))
	if options.AssumeRole != "" {
		cfg = caller.withAssumedRole(cfg)
	}
	return &Assumer{
		Options: options,
		cfg:     cfg,
		caller:  caller,
		sts:     sts.NewFromConfig(cfg),
		iam:     plain,
		limiter: limit.NewRequests(options.QPS),

		availability: caller.availability,

		podIdentity: podIdentity,
		file:        file,
	}, nil
}

// IAMConfig returns the configuration for requests to IAM, with the credentials of
// AssumeRole if it is set.
func (a *Assumer) IAMConfig() aws.Config { return ForIAM(a.cfg) }

// Config returns the configuration for requests to other services in the controller's
// Region, with the same credentials.
func (a *Assumer) Config() aws.Config { return a.cfg }

// FileExpiration returns when the controller's credentials from
// ConfigOptions.CredentialsFile expire, the zero Time if they do not, are not known, or
// are not from a file. Other sources renew credentials when they are needed. It makes
// no call.
func (a *Assumer) FileExpiration() time.Time {
	if a.file == nil {
		return time.Time{}
	}
	return a.file.expiration()
}

// Resolve returns the role that want requests. Errors are as those of Assume.
func (a *Assumer) Resolve(ctx context.Context, want identity.Desired) (identity.RoleReference, error) {
	return a.caller.resolve(ctx, want)
}

// Base returns the base that completes role names. If BaseRoleARN is set, it makes no
// call.
func (a *Assumer) Base(ctx context.Context) (identity.BaseRole, error) {
	if configured := a.caller.configuredBase; configured != (identity.BaseRole{}) {
		return configured, nil
	}
	who, err := a.caller.lookUp(ctx)
	if err != nil {
		return identity.BaseRole{}, err
	}
	return a.caller.accountOf(who), nil
}

// MayRunOn reports whether the controller may be using credentials that an object
// of a namespace has for role: if role is one of the controller's, and the
// namespace is the controller's or that is unknown. It calls AWS at most once, and
// only in such a namespace.
func (a *Assumer) MayRunOn(ctx context.Context, namespace string, role identity.RoleReference) (bool, error) {
	if home := a.caller.controllerNamespace; home != "" && home != namespace {
		return false, nil
	}
	who, err := a.caller.lookUp(ctx)
	if err != nil {
		return false, err
	}
	return a.caller.isControllerRole(role, who, a.caller.baseFor(who)), nil
}

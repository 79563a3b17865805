// Package session assumes roles: those that objects ask for, and the
// controller's own.
package sts

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/awserr"
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
	OwnNamespace string
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
	own     *ownIdentity
	sts     *sts.Client
	iam     *iam.Client // with the credentials before AssumeRole
	turns   *limit.Requests
	chained atomic.Pointer[chaining]
	// principal is what trust policies have to name, once it is known.
	principal once[string]
	// podIdentity says that the controller's own credentials are of EKS Pod Identity.
	podIdentity bool
	carried     carriedTags
}

// chaining is what STS said, and when, as it found the controller to be a role
// itself, whose sessions last an hour at most.
type chaining struct {
	said string
	at   time.Time
}

// chainedFor is how long that is believed: the controller's own credentials
// may be replaced by a user's.
const chainedFor = 24 * time.Hour

// New returns an Assumer with the controller's own credentials in cfg. It
// makes no call.
func New(cfg aws.Config, options Options) (*Assumer, error) {
	podIdentity := isPodIdentity(cfg.Credentials, os.Getenv)
	cfg.Credentials = ownCredentials(cfg.Credentials)
	own, err := newOwnIdentity(cfg, options)
	if err != nil {
		return nil, err
	}
	plain := iam.NewFromConfig(cfg)
	if options.AssumeRole != "" {
		cfg = own.through(cfg)
	}
	return &Assumer{
		Options: options,
		cfg:     cfg,
		own:     own,
		sts:     sts.NewFromConfig(cfg),
		iam:     plain,
		turns:   limit.NewRequests(options.QPS),

		podIdentity: podIdentity,
	}, nil
}

// Config returns the configuration with which roles are assumed, and with which
// they are made.
func (a *Assumer) Config() aws.Config { return a.cfg }

// Resolve returns the role that want asks for. Errors are as those of Assume.
func (a *Assumer) Resolve(ctx context.Context, want identity.Desired) (identity.RoleReference, error) {
	return a.own.resolve(ctx, want)
}

// Base returns where role names are looked up.
func (a *Assumer) Base(ctx context.Context) (identity.BaseRole, error) {
	who, err := a.own.known(ctx)
	if err != nil {
		return identity.BaseRole{}, err
	}
	return a.own.baseOf(who), nil
}

// RunsOn says whether the controller may be running on credentials of a role that
// an object of a namespace has: one of its own roles, in its own namespace, or in
// any while that is not known. It asks AWS at most once, and only there.
func (a *Assumer) RunsOn(ctx context.Context, namespace string, role identity.RoleReference) (bool, error) {
	if own := a.own.ownNamespace; own != "" && own != namespace {
		return false, nil
	}
	who, err := a.own.known(ctx)
	if err != nil {
		return false, err
	}
	return a.own.isOwn(role, who, a.own.baseOf(who)), nil
}

// maxChained is the longest session of a role that is assumed by a role,
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles.html#iam-term-role-chaining.
const maxChained = time.Hour

// Assume returns credentials of the role that want asks for. Errors are one
// line, the same for the same cause, and hold nothing secret. That of a role
// which is never handed out is an *identity.InvalidError.
func (a *Assumer) Assume(ctx context.Context, want identity.Desired) (identity.Credentials, error) {
	role, err := a.own.resolve(ctx, want)
	if err != nil {
		return identity.Credentials{}, err
	}
	if c := a.chained.Load(); c != nil && want.SessionDuration > maxChained && time.Since(c.at) < chainedFor {
		return a.assume(ctx, want, role, maxChained, c.said)
	}
	creds, err := a.assume(ctx, want, role, want.SessionDuration, "")
	if want.SessionDuration > maxChained && isChaining(err) {
		said := awserr.Describe(err).Error()
		a.chained.Store(&chaining{said: said, at: time.Now()})
		return a.assume(ctx, want, role, maxChained, said)
	}
	return creds, err
}

// RefusesOthers says whether a role refuses to be assumed under another external
// ID than want's. Only STS evaluates trust policies, so STS is asked, on behalf of
// a namespace that cannot be: names of namespaces have no capitals. An error says
// that it did not tell. The credentials of a role that does not refuse are dropped.
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html.
func (a *Assumer) RefusesOthers(ctx context.Context, want identity.Desired) (bool, error) {
	role, err := a.own.resolve(ctx, want)
	if err != nil {
		return false, err
	}
	own, err := a.RunsOn(ctx, want.Namespace, role)
	if own || err != nil {
		return own, err // no other namespace may have it, whatever its trust policy says
	}
	want.ExternalID = rand.Text() + "/" + a.ClusterName
	_, _, err = a.ask(ctx, want, role, identity.MinSession, a.tags(want))
	if awserr.IsDenied(err) && !isUntaggable(err) { // which says nothing of external IDs
		return true, nil
	}
	return false, a.refusal(want, role, identity.MinSession, err)
}

// isChaining recognises STS's refusal of a long session. The code is that of
// any invalid parameter, so the words have to tell.
func isChaining(err error) bool {
	return awserr.Code(err) == "ValidationError" && strings.Contains(err.Error(), "role chaining")
}

func (a *Assumer) assume(ctx context.Context, want identity.Desired, role identity.RoleReference, session time.Duration, said string) (identity.Credentials, error) {
	out, issued, err := a.ask(ctx, want, role, session, a.tags(want))
	if err != nil {
		a.renewCarried(ctx)
		return identity.Credentials{}, a.refusal(want, role, session, err)
	}
	if another(want.RoleID, out.AssumedRoleUser) {
		return identity.Credentials{}, errAnother
	}
	creds, err := credentials(out, role, issued)
	creds.Notice = notice(want, said, creds)
	return creds, err
}

// ask waits for a turn at STS, assumes a role, and returns when that was asked.
func (a *Assumer) ask(
	ctx context.Context, want identity.Desired, role identity.RoleReference, session time.Duration, tags []types.Tag,
) (*sts.AssumeRoleOutput, time.Time, error) {
	if err := a.turns.Wait(ctx); err != nil {
		return nil, time.Time{}, fmt.Errorf("wait for a turn at STS: %w", err)
	}
	asked := time.Now().UTC().Truncate(time.Second)
	out, err := a.sts.AssumeRole(ctx, &sts.AssumeRoleInput{
		RoleArn:         new(role.String()),
		RoleSessionName: new(Name(want, role)),
		ExternalId:      &want.ExternalID,
		DurationSeconds: new(int32(session / time.Second)), //nolint:gosec // 12 hours at the most
		Tags:            tags,
	})
	return out, asked, err
}

// errAnother is for credentials that are not of the role that is wanted.
var errAnother = fmt.Errorf("%w: STS answered for a role that was deleted and created again under the name", identity.ErrNotAssumable)

// another says whether STS answered for another role than the one with the
// unique id, where that is known: it may not know yet of one that was just made
// in the place of another. An AssumedRoleId is that id and the session's name,
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumedRoleUser.html.
func another(id string, user *types.AssumedRoleUser) bool {
	if id == "" || user == nil {
		return false
	}
	got, _, _ := strings.Cut(aws.ToString(user.AssumedRoleId), ":")
	return got != "" && got != id
}

// errIncomplete is for an STS that is not one.
var errIncomplete = errors.New("STS answered without credentials")

func credentials(out *sts.AssumeRoleOutput, role identity.RoleReference, issued time.Time) (identity.Credentials, error) {
	c := out.Credentials
	if c == nil || aws.ToString(c.AccessKeyId) == "" || aws.ToString(c.SecretAccessKey) == "" ||
		aws.ToString(c.SessionToken) == "" || c.Expiration == nil {
		return identity.Credentials{}, errIncomplete
	}
	return identity.Credentials{
		RoleARN:         role.String(),
		AccessKeyID:     identity.Secret(*c.AccessKeyId),
		SecretAccessKey: identity.Secret(*c.SecretAccessKey),
		SessionToken:    identity.Secret(*c.SessionToken),
		Issued:          issued,
		Expiration:      c.Expiration.UTC().Truncate(time.Second),
	}, nil
}

// notice tells what is not as it was asked for, "" for nothing.
func notice(want identity.Desired, said string, creds identity.Credentials) string {
	if creds.Expiration.Before(creds.Issued) {
		return fmt.Sprintf("The new credentials ran out at %s by the clock of this machine, which says %s: set the clock",
			creds.Expiration.Format(time.RFC3339), creds.Issued.Format(time.RFC3339))
	}
	if seems := creds.Expiration.Sub(creds.Issued); seems > want.SessionDuration+time.Minute {
		return fmt.Sprintf("The new credentials seem to live for %s by the clock of this machine, and %s was asked for: set the clock",
			seems.Round(time.Second), want.SessionDuration)
	}
	if said == "" {
		return ""
	}
	return fmt.Sprintf("A session of %s was asked for, and one of %s is used instead: %s", want.SessionDuration, maxChained, said)
}

// tags returns the session tags for want. Roles that the controller created
// carry the same as tags of their own.
func (a *Assumer) tags(want identity.Desired) []types.Tag {
	if !a.SessionTags || want.Managed != nil {
		return nil
	}
	tags := []types.Tag{{Key: new(api.NamespaceTag), Value: new(want.Namespace)}}
	if a.ClusterName != "" {
		tags = append(tags, types.Tag{Key: new(api.ClusterTag), Value: new(a.ClusterName)})
	}
	if want.Source == identity.ServiceAccount {
		tags = append(tags, types.Tag{Key: new(api.ServiceAccountTag), Value: new(want.Name)})
	}
	return tags
}

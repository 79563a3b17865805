package sts

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"kube-aws-iam-controller/internal/awserr"
	"kube-aws-iam-controller/internal/identity"
)

// chainingLimit records STS's response that the controller itself is using a role,
// whose chained sessions last at most an hour.
type chainingLimit struct {
	said string
	at   time.Time
}

// chainingTTL is how long a chainingLimit is used: the credentials of the
// controller may be replaced by those of a user, which have no such limit.
const chainingTTL = 24 * time.Hour

// maxChainedSession is the maximum duration of a session of a role that was assumed
// by another role:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles.html#iam-term-role-chaining.
const maxChainedSession = time.Hour

// Assume returns credentials for the role that want requests. Errors are one line,
// identical for identical causes, and contain nothing secret. A role that must not
// be handed out is an *identity.InvalidError.
func (a *Assumer) Assume(ctx context.Context, want identity.Desired) (identity.Credentials, error) {
	role, err := a.caller.resolve(ctx, want)
	if err != nil {
		return identity.Credentials{}, err
	}
	if c := a.chained.Load(); c != nil && want.SessionDuration > maxChainedSession && time.Since(c.at) < chainingTTL {
		return a.assume(ctx, want, role, maxChainedSession, c.said)
	}
	creds, err := a.assume(ctx, want, role, want.SessionDuration, "")
	if want.SessionDuration > maxChainedSession && isChaining(err) {
		said := awserr.Describe(err).Error()
		a.chained.Store(&chainingLimit{said: said, at: time.Now()})
		return a.assume(ctx, want, role, maxChainedSession, said)
	}
	return creds, err
}

// isChaining recognizes STS's rejection of a long session due to role chaining.
// Only the message distinguishes it from other invalid parameters.
func isChaining(err error) bool {
	return awserr.Code(err) == "ValidationError" && strings.Contains(err.Error(), "role chaining")
}

func (a *Assumer) assume(ctx context.Context, want identity.Desired, role identity.RoleReference, session time.Duration, said string) (identity.Credentials, error) {
	out, issued, err := a.assumeRole(ctx, want, role, session, a.tags(want))
	if awserr.IsDenied(err) {
		a.dropStaleTransitiveTags(ctx) // because they explain denials
	}
	if err != nil {
		return identity.Credentials{}, a.refusalError(want, role, session, err)
	}
	if isOtherRole(want.RoleID, out.AssumedRoleUser) {
		return identity.Credentials{}, errOtherRole
	}
	creds, err := credentials(out, role, issued)
	creds.Notice = notice(want, said, creds)
	return creds, err
}

// assumeRole calls STS within the rate limit. It also returns the time of the request.
// While STS is unavailable, most calls are not made and return the error of the last
// one that was.
func (a *Assumer) assumeRole(
	ctx context.Context, want identity.Desired, role identity.RoleReference, session time.Duration, tags []types.Tag,
) (*sts.AssumeRoleOutput, time.Time, error) {
	// What is not sent takes no turn. While it waits for one, STS may go away.
	if err := a.availability.away(time.Now()); err != nil {
		return nil, time.Time{}, err
	}
	if err := a.limiter.Wait(ctx); err != nil {
		return nil, time.Time{}, fmt.Errorf("wait for a turn at STS: %w", err)
	}
	asked := time.Now().UTC().Truncate(time.Second)
	var out *sts.AssumeRoleOutput
	err := a.availability.ask(func() (err error) {
		out, err = a.sts.AssumeRole(ctx, assumeRoleInput(want, role, session, tags))
		return err
	})
	return out, asked, err
}

func assumeRoleInput(want identity.Desired, role identity.RoleReference, session time.Duration, tags []types.Tag) *sts.AssumeRoleInput {
	in := &sts.AssumeRoleInput{
		RoleArn:         new(role.String()),
		RoleSessionName: new(SessionName(want, role)),
		ExternalId:      &want.ExternalID,
		DurationSeconds: new(int32(session / time.Second)), //nolint:gosec // 12 hours at the most
		Tags:            tags,
	}
	if want.SessionPolicy != "" {
		in.Policy = &want.SessionPolicy
	}
	return in
}

// errOtherRole is returned for credentials of another role than the requested one.
var errOtherRole = fmt.Errorf("%w: STS answered for a role that was deleted and created again under the name", identity.ErrNotAssumable)

// isOtherRole reports whether STS returned a session of another role than the one
// with the unique ID id, if that is known: STS may still know a deleted role of the
// same name. AssumedRoleId is the unique ID and the session name:
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumedRoleUser.html.
func isOtherRole(id string, user *types.AssumedRoleUser) bool {
	if id == "" || user == nil {
		return false
	}
	got, _, _ := strings.Cut(aws.ToString(user.AssumedRoleId), ":")
	return got != "" && got != id
}

// errIncomplete is returned for a response without credentials.
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

// notice returns a warning about credentials that differ from the request, "" for
// none. The parameter said is STS's message about role chaining.
func notice(want identity.Desired, said string, creds identity.Credentials) string {
	if creds.Expiration.Before(creds.Issued) {
		return fmt.Sprintf("The new credentials expired at %s, but the clock of the controller's node says %s: synchronize it",
			creds.Expiration.Format(time.RFC3339), creds.Issued.Format(time.RFC3339))
	}
	if seems := creds.Expiration.Sub(creds.Issued); seems > want.SessionDuration+time.Minute {
		return fmt.Sprintf("By the clock of the controller's node, the new credentials last %s, but %s was requested: synchronize it",
			seems.Round(time.Second), want.SessionDuration)
	}
	if said == "" {
		return ""
	}
	return fmt.Sprintf("A session of %s was asked for, and one of %s is used instead: %s", want.SessionDuration, maxChainedSession, said)
}

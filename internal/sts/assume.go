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

// chaining is what STS said, and when, as it found the controller to be a role
// itself, whose sessions last an hour at most.
type chainingLimit struct {
	said string
	at   time.Time
}

// chainedFor is how long that is believed: the controller's own credentials
// may be replaced by a user's.
const chainingTTL = 24 * time.Hour

// maxChained is the longest session of a role that is assumed by a role,
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles.html#iam-term-role-chaining.
const maxChainedSession = time.Hour

// Assume returns credentials of the role that want asks for. Errors are one
// line, the same for the same cause, and hold nothing secret. That of a role
// which is never handed out is an *identity.InvalidError.
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

// isChaining recognises STS's refusal of a long session. The code is that of
// any invalid parameter, so the words have to tell.
func isChaining(err error) bool {
	return awserr.Code(err) == "ValidationError" && strings.Contains(err.Error(), "role chaining")
}

func (a *Assumer) assume(ctx context.Context, want identity.Desired, role identity.RoleReference, session time.Duration, said string) (identity.Credentials, error) {
	out, issued, err := a.assumeRole(ctx, want, role, session, a.tags(want))
	if err != nil {
		a.dropStaleTransitiveTags(ctx)
		return identity.Credentials{}, a.refusalError(want, role, session, err)
	}
	if isOtherRole(want.RoleID, out.AssumedRoleUser) {
		return identity.Credentials{}, errOtherRole
	}
	creds, err := credentials(out, role, issued)
	creds.Notice = notice(want, said, creds)
	return creds, err
}

// ask waits for a turn at STS, assumes a role, and returns when that was asked.
func (a *Assumer) assumeRole(
	ctx context.Context, want identity.Desired, role identity.RoleReference, session time.Duration, tags []types.Tag,
) (*sts.AssumeRoleOutput, time.Time, error) {
	if err := a.limiter.Wait(ctx); err != nil {
		return nil, time.Time{}, fmt.Errorf("wait for a turn at STS: %w", err)
	}
	asked := time.Now().UTC().Truncate(time.Second)
	out, err := a.sts.AssumeRole(ctx, &sts.AssumeRoleInput{
		RoleArn:         new(role.String()),
		RoleSessionName: new(SessionName(want, role)),
		ExternalId:      &want.ExternalID,
		DurationSeconds: new(int32(session / time.Second)), //nolint:gosec // 12 hours at the most
		Tags:            tags,
	})
	return out, asked, err
}

// errAnother is for credentials that are not of the role that is wanted.
var errOtherRole = fmt.Errorf("%w: STS answered for a role that was deleted and created again under the name", identity.ErrNotAssumable)

// another says whether STS answered for another role than the one with the
// unique id, where that is known: it may not know yet of one that was just made
// in the place of another. An AssumedRoleId is that id and the session's name,
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumedRoleUser.html.
func isOtherRole(id string, user *types.AssumedRoleUser) bool {
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
	return fmt.Sprintf("A session of %s was asked for, and one of %s is used instead: %s", want.SessionDuration, maxChainedSession, said)
}

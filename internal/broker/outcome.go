package broker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-kit/log/level"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/refresh"
)

// repeatAfter is how soon what is still wrong, and only a person can mend, is said
// again: the API server keeps an event for an hour.
const repeatAfter = time.Hour

// complain reports what is wrong with an identity: as an event, in the log,
// and until it is mended in what report shows. The same is said once a minute
// at most. What would be too much for now is kept for later: it returns when.
func (b *Broker) complain(ctx context.Context, want identity.Desired, have refresh.State, reason string, err error) (unsaid time.Duration) {
	_, invalid := errors.AsType[*identity.InvalidError](err)
	tell, unsaid := b.troubles.note(want.Key, trouble{
		reason: reason, message: err.Error(), invalid: invalid, role: refusesRole(err), secret: want.SecretName, said: time.Now(),
	})
	if !tell {
		return unsaid
	}
	level.Warn(b.Logger).Log("msg", "cannot serve identity", "object", want.Key, "reason", reason, "err", err)
	b.Reporter.Warn(ctx, want, !have.Valid(time.Now()), reason, err.Error())
	return 0
}

// celebrate records that credentials were written, in the predecessor's words.
func (b *Broker) celebrate(ctx context.Context, want identity.Desired, creds identity.Credentials, created bool) {
	reason, verb := api.UpdateCredentials, "Updated"
	if created {
		reason, verb = api.CreateCredentials, "Created"
	}
	b.Reporter.Normal(want, reason, fmt.Sprintf("%s credentials for role '%s', expiry time: %s", verb, creds.RoleARN, creds.Expiration))
	for _, notice := range []string{creds.Notice, want.Notice} {
		if notice != "" {
			b.Reporter.Warn(ctx, want, false, api.GetCredentialsFailed, notice)
		}
	}
}

// report shows on the object what there is and what is wrong with it.
func (b *Broker) report(ctx context.Context, source Source, want identity.Desired, have refresh.State) error {
	status := identity.Status{
		Generation: want.Generation,
		Ready:      have.Valid(time.Now()) && have.SpecHash == want.SpecHash(),
		Reason:     api.CredentialsIssued,
		Message:    "the Secret holds valid credentials and they are kept fresh",
	}
	if !have.Edited {
		status.RoleARN, status.Expiration = have.RoleARN, have.Expiration
	}
	if t, troubled := b.troubles.of(want.Key); troubled {
		status.Reason, status.Message = t.reason, t.message
		status.Ready = status.Ready && !t.invalid
	}
	return source.Report(ctx, want, status)
}

// reasonOf returns the event reason of a failed step.
func reasonOf(err error) string {
	if step, ok := errors.AsType[*identity.StepError](err); ok {
		return step.Reason
	}
	return api.GetCredentialsFailed
}

// result is the metric label of an outcome.
func result(err error) string {
	if err != nil {
		return "error"
	}
	return "success"
}

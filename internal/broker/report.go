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

const (
	// repeatAfter is how soon what is still wrong, and only a person can mend, is
	// recorded again: the API server keeps an event for an hour.
	repeatAfter = time.Hour
	// silence is how long the same failure is not recorded again.
	silence = time.Minute
)

// recordFailure records what is wrong with an identity: as an event, in the log, and
// until it is mended in its status.
func (b *Broker) recordFailure(want identity.Desired, have refresh.State, err error) {
	now := time.Now()
	failed := failureOf(want, err)
	before := b.records.of(want.Key).failure
	if before != nil && before.reason == failed.reason && before.message == failed.message && now.Sub(before.recordedAt) < silence {
		return
	}
	if wait := b.Events.TryWarn(want, !have.Valid(now), failed.reason, failed.message); wait > 0 {
		failed.recordAfter = now.Add(wait)
	} else {
		failed.recordedAt = now
		level.Warn(b.Logger).Log("msg", "cannot serve identity", "object", want.Key, "reason", failed.reason, "err", err)
	}
	b.records.update(want.Key, func(known *record) { known.failure = &failed })
}

// failureOf returns what an error says of an identity.
func failureOf(want identity.Desired, err error) failure {
	failed := failure{reason: reasonOf(err), message: err.Error(), secret: want.SecretName}
	if invalid, is := errors.AsType[*identity.InvalidError](err); is {
		failed.invalid, failed.reason = true, invalid.Reason
	}
	failed.role = errors.Is(err, identity.ErrNotAssumable) || errors.Is(err, identity.ErrRoleUnfit)
	return failed
}

// untold returns when to come back for an event that the limits did not let through, 0
// for none.
func (b *Broker) untold(key identity.Key) time.Duration {
	failed := b.records.of(key).failure
	if failed == nil || failed.recordAfter.IsZero() {
		return 0
	}
	return max(time.Until(failed.recordAfter), time.Millisecond)
}

// recordIssued records that credentials were written, in the predecessor's words.
func (b *Broker) recordIssued(want identity.Desired, creds identity.Credentials, created bool) {
	reason, verb := api.UpdateCredentials, "Updated"
	if created {
		reason, verb = api.CreateCredentials, "Created"
	}
	b.Events.Normal(want, reason, fmt.Sprintf("%s credentials for role '%s', expiry time: %s", verb, creds.RoleARN, creds.Expiration))
	for _, notice := range []string{creds.Notice, want.Notice} {
		if notice != "" {
			b.Events.Warn(want, false, api.GetCredentialsFailed, notice)
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
	if failed := b.records.of(want.Key).failure; failed != nil {
		status.Reason, status.Message = failed.reason, failed.message
		status.Ready = status.Ready && !failed.invalid
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

// result is the metric label of an issue.
func result(err error) string {
	if err != nil {
		return "error"
	}
	return "success"
}

// Package status records what becomes of identities: as events, in the log, in the
// status of their objects, and in memory for as long as something is wrong. None of
// that is needed to serve an identity: after a restart the first sync finds out again.
package status

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/refresh"
)

const (
	// RepeatAfter is how soon what is still wrong, and only a person can fix, is
	// recorded again: the API server keeps an event for an hour.
	RepeatAfter = time.Hour
	// silence is how long the same failure is not recorded again.
	silence = time.Minute
)

// Events records events on objects.
type Events interface {
	Normal(want identity.Desired, reason, message string)
	// Warn records what is wrong. With waiting, the pods that wait for the Secret are
	// told as well.
	Warn(want identity.Desired, waiting bool, reason, message string)
	// TryWarn is Warn within the limits of the identity and its namespace. Where they
	// are exhausted it records nothing and returns how long to wait.
	TryWarn(want identity.Desired, waiting bool, reason, message string) time.Duration
}

// A Reporter is a kind of object that shows a status. It writes only what differs.
type Reporter interface {
	Report(ctx context.Context, want identity.Desired, status identity.Status) error
}

// A Recorder records what becomes of identities. Create it with New.
type Recorder struct {
	Events

	logger  log.Logger
	mu      sync.Mutex
	records map[identity.Key]record
}

// New returns a Recorder.
func New(events Events, logger log.Logger) *Recorder {
	return &Recorder{Events: events, logger: logger, records: map[identity.Key]record{}}
}

// Begin forgets everything.
func (r *Recorder) Begin() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.records = map[identity.Key]record{}
}

// RecordFailure records what is wrong with an identity, until Clear.
func (r *Recorder) RecordFailure(want identity.Desired, have refresh.State, err error) {
	now, failure, before := time.Now(), failureOf(want, err), r.Failure(want.Key)
	if before != nil && before.Reason == failure.Reason && before.Message == failure.Message && now.Sub(before.recordedAt) < silence {
		return
	}
	if wait := r.TryWarn(want, !have.Valid(now), failure.Reason, failure.Message); wait > 0 {
		failure.recordAfter = now.Add(wait)
	} else {
		failure.recordedAt = now
		level.Warn(r.logger).Log("msg", "cannot serve identity", "object", want.Key, "reason", failure.Reason, "err", err)
	}
	r.update(want.Key, func(known *record) { known.failure = &failure })
}

// Unrecorded returns when to come back for the event of a failure that the limits did
// not let through, 0 for none. Once that time is past, the next RecordFailure records
// it, and nothing comes back for it alone.
func (r *Recorder) Unrecorded(key identity.Key) time.Duration {
	failure := r.Failure(key)
	if failure == nil {
		return 0
	}
	return max(0, time.Until(failure.recordAfter))
}

// RecordIssued records that credentials were written, in the predecessor's words.
func (r *Recorder) RecordIssued(want identity.Desired, creds identity.Credentials, created bool, why refresh.Reason) {
	level.Info(r.logger).Log("msg", "credentials written", "object", want.Key, "role", creds.RoleARN,
		"reason", why, "expire", creds.Expiration.Format(time.RFC3339))
	reason, verb := api.UpdateCredentials, "Updated"
	if created {
		reason, verb = api.CreateCredentials, "Created"
	}
	r.Normal(want, reason, fmt.Sprintf("%s credentials for role '%s', expiry time: %s", verb, creds.RoleARN, creds.Expiration))
	for _, notice := range []string{creds.Notice, want.Notice} {
		if notice != "" {
			r.Warn(want, false, api.GetCredentialsFailed, notice)
		}
	}
}

// Report shows on the object what there is and what is wrong with it.
func (r *Recorder) Report(ctx context.Context, object Reporter, want identity.Desired, have refresh.State) error {
	shown := identity.Status{
		Generation: want.Generation,
		Ready:      have.Valid(time.Now()) && have.SpecHash == want.SpecHash(),
		Reason:     api.CredentialsIssued,
		Message:    "the Secret holds valid credentials and they are kept fresh",
	}
	if !have.Edited {
		shown.RoleARN, shown.Expiration = have.RoleARN, have.Expiration
	}
	if failure := r.Failure(want.Key); failure != nil {
		shown.Reason, shown.Message = failure.Reason, failure.Message
		shown.Ready = shown.Ready && !failure.invalid
	}
	return object.Report(ctx, want, shown)
}

package status

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-kit/log"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/refresh"
)

// recorded are the events of an object, and its status.
type recorded struct {
	events []string
	shown  identity.Status
	wait   time.Duration // what the limits say
}

func (r *recorded) Normal(_ identity.Desired, reason, message string) {
	r.events = append(r.events, "Normal "+reason+" "+message)
}

func (r *recorded) Warn(_ identity.Desired, waiting bool, reason, message string) {
	kind := "Warning "
	if waiting {
		kind = "Warning, pods "
	}
	r.events = append(r.events, kind+reason+" "+message)
}

func (r *recorded) TryWarn(want identity.Desired, waiting bool, reason, message string) time.Duration {
	if r.wait == 0 {
		r.Warn(want, waiting, reason, message)
	}
	return r.wait
}

func (r *recorded) Report(_ context.Context, _ identity.Desired, shown identity.Status) error {
	r.shown = shown
	return nil
}

var (
	want = identity.Desired{
		Key: identity.Key{Source: identity.ServiceAccount, Namespace: "ns", Name: "app"}, SecretName: "app.aws-iam", Generation: 7,
	}
	errInvalid = &identity.InvalidError{Reason: api.InvalidAnnotation, Message: "not JSON"}
	errStep    = &identity.StepError{Reason: api.ProvisionFailed, Message: "no", Err: identity.ErrRoleUnfit}
)

// valid are credentials for want.
func valid() refresh.State {
	return refresh.State{Exists: true, RoleARN: "arn", SpecHash: want.SpecHash(), Expiration: time.Now().Add(time.Hour)}
}

func TestReport(t *testing.T) {
	for name, tc := range map[string]struct {
		have    func(*refresh.State)
		failure error
		ready   bool
		reason  string
		role    string
	}{
		"valid credentials":                        {ready: true, reason: api.CredentialsIssued, role: "arn"},
		"valid credentials, a renewal failed":      {failure: errStep, ready: true, reason: api.ProvisionFailed, role: "arn"},
		"valid credentials, the object is invalid": {failure: errInvalid, reason: api.InvalidAnnotation, role: "arn"},
		"credentials for what was asked for before": {have: func(s *refresh.State) { s.SpecHash = "another" },
			reason: api.CredentialsIssued, role: "arn"},
		"expired credentials":  {have: func(s *refresh.State) { s.Expiration = time.Now() }, failure: errStep, reason: api.ProvisionFailed, role: "arn"},
		"an edited Secret":     {have: func(s *refresh.State) { s.Edited = true }, ready: true, reason: api.CredentialsIssued},
		"no Secret, a failure": {have: func(s *refresh.State) { *s = refresh.State{} }, failure: errStep, reason: api.ProvisionFailed},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				object, have := &recorded{}, valid()
				r := New(object, log.NewNopLogger())
				if tc.have != nil {
					tc.have(&have)
				}
				if tc.failure != nil {
					r.RecordFailure(want, have, tc.failure)
				}
				require.NoError(t, r.Report(t.Context(), object, want, have))
				assert.Equal(t, tc.ready, object.shown.Ready)
				assert.Equal(t, tc.reason, object.shown.Reason)
				assert.Equal(t, tc.role, object.shown.RoleARN)
				assert.Equal(t, int64(7), object.shown.Generation)
			})
		})
	}
}

func TestFailureIsRecordedOnceAMinuteUntilItIsCleared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged bytes.Buffer
		object := &recorded{}
		r := New(object, log.NewLogfmtLogger(&logged))
		for range 3 {
			r.RecordFailure(want, refresh.State{}, errStep)
		}
		assert.Equal(t, []string{"Warning, pods ProvisionFailed no"}, object.events)
		assert.Contains(t, logged.String(), "cannot serve identity")
		time.Sleep(silence)
		r.RecordFailure(want, valid(), errStep)
		assert.Equal(t, "Warning ProvisionFailed no", object.events[1], "pods do not wait for credentials that are valid")
		r.RecordFailure(want, valid(), errors.New("another"))
		assert.Equal(t, "Warning GetCredentialsFailed another", object.events[2])

		assert.Equal(t, "another", r.Failure(want.Key).Message)
		assert.Equal(t, "app.aws-iam", r.Failures()[want.Key].SecretName)
		r.Clear(want.Key)
		assert.Nil(t, r.Failure(want.Key))
		assert.Empty(t, r.Failures())
		assert.Empty(t, r.records, "nothing is kept of what is well")
		r.RecordFailure(want, valid(), errors.New("another"))
		assert.Len(t, object.events, 4)
		r.Begin()
		assert.Nil(t, r.Failure(want.Key))
	})
}

func TestFailureBeyondTheLimitsIsRecordedLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		object := &recorded{wait: 20 * time.Second}
		r := New(object, log.NewNopLogger())
		assert.Zero(t, r.Unrecorded(want.Key))
		r.RecordFailure(want, refresh.State{}, errStep)
		assert.Empty(t, object.events)
		assert.Equal(t, 20*time.Second, r.Unrecorded(want.Key))
		assert.NotNil(t, r.Failure(want.Key), "the status shows it at once")
		time.Sleep(30 * time.Second)
		assert.Zero(t, r.Unrecorded(want.Key), "the next failure records it, and nothing spins until then")
		object.wait = 0
		r.RecordFailure(want, refresh.State{}, errStep)
		assert.Len(t, object.events, 1)
		assert.Zero(t, r.Unrecorded(want.Key))
	})
}

func TestFailureTellsWhetherSTSRefusedTheRole(t *testing.T) {
	for name, tc := range map[string]struct {
		err  error
		role bool
	}{
		"it cannot be assumed":        {&identity.StepError{Err: identity.ErrNotAssumable}, true},
		"it does not allow a session": {errStep, true},
		"STS is unavailable":          {errors.New("503"), false},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, tc.role, failureOf(want, tc.err).Role)
		})
	}
}

func TestRecordIssued(t *testing.T) {
	object := &recorded{}
	r := New(object, log.NewNopLogger())
	creds := identity.Credentials{RoleARN: "arn", Expiration: time.Unix(0, 0).UTC(), Notice: "one hour is used instead"}
	r.RecordIssued(want, creds, true, refresh.Missing)
	creds.Notice = ""
	r.RecordIssued(want, creds, false, refresh.NearExpiry)
	assert.Equal(t, []string{
		"Normal CreateCredentials Created credentials for role 'arn', expiry time: 1970-01-01 00:00:00 +0000 UTC",
		"Warning GetCredentialsFailed one hour is used instead",
		"Normal UpdateCredentials Updated credentials for role 'arn', expiry time: 1970-01-01 00:00:00 +0000 UTC",
	}, object.events)
}

func TestWarningIsRecordedOncePerChangeAndHourly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		object := &recorded{}
		r := New(object, log.NewNopLogger())
		warning := identity.Warning{UID: "u1", Reason: api.UnknownAnnotation, Message: "a"}
		assert.Equal(t, RepeatAfter, r.RecordWarning(want.Key, warning))
		time.Sleep(time.Minute)
		assert.Equal(t, RepeatAfter-time.Minute, r.RecordWarning(want.Key, warning))
		assert.Len(t, object.events, 1)
		warning.Message = "b"
		r.RecordWarning(want.Key, warning)
		assert.Len(t, object.events, 2)
		assert.Zero(t, r.RecordWarning(want.Key, identity.Warning{}), "it was fixed")
		assert.Empty(t, r.records)
		r.RecordWarning(want.Key, warning)
		assert.Len(t, object.events, 3, "and broken again")
		time.Sleep(RepeatAfter)
		r.RecordWarning(want.Key, warning)
		assert.Len(t, object.events, 4)

		object.wait, warning.Message = time.Second, "c"
		assert.Equal(t, time.Second, r.RecordWarning(want.Key, warning))
		object.wait = 0
		r.RecordWarning(want.Key, warning)
		assert.Len(t, object.events, 5)
	})
}

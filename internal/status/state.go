package status

import (
	"iter"
	"time"

	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/refresh"
)

// The states of an identity, as metrics count them.
const (
	// Ready: the Secret holds valid credentials.
	Ready = "ready"
	// Degraded: it still does, but the last try to renew them failed.
	Degraded = "degraded"
	// Failed: it does not, and the last try failed.
	Failed = "failed"
	// Pending: it does not yet.
	Pending = "pending"
)

// States returns all states.
func States() []string { return []string{Ready, Degraded, Failed, Pending} }

// State returns the state of an identity that has what its Secret says, and the event
// reason of what failed, "" for nothing.
func (r *Recorder) State(key identity.Key, have refresh.State, now time.Time) (state, reason string) {
	failure := r.Failure(key)
	if failure != nil {
		reason = failure.Reason
	}
	switch valid := have.Valid(now); {
	case valid && failure != nil:
		state = Degraded
	case valid:
		state = Ready
	case failure != nil:
		state = Failed
	default:
		state = Pending
	}
	return state, reason
}

// Failed yields the identities in the state Failed, and why. observe returns what an
// identity has, from a cache.
func (r *Recorder) Failed(observe func(identity.Key) refresh.State) iter.Seq[identity.Failed] {
	return func(yield func(identity.Failed) bool) {
		now := time.Now()
		for key, what := range r.Failures() {
			if observe(key).Valid(now) {
				continue
			}
			if !yield(identity.Failed{Key: key, SecretName: what.SecretName, Reason: what.Reason, Message: what.Message}) {
				return
			}
		}
	}
}

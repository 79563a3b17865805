package broker

import (
	"iter"
	"time"

	"kube-aws-iam-controller/internal/identity"
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

// State returns the state of an identity, the event reason of what failed, "" for
// nothing, and when its credentials run out, the zero Time if there are none.
func (b *Broker) State(key identity.Key, now time.Time) (state, reason string, expiration time.Time) {
	have := b.Secrets.Observe(key)
	failure := b.Status.Failure(key)
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
	return state, reason, have.Expiration
}

// Unserved yields the identities that have no valid credentials although they were
// tried, and why.
func (b *Broker) Unserved() iter.Seq[identity.Unserved] {
	return func(yield func(identity.Unserved) bool) {
		now := time.Now()
		for key, what := range b.Status.Failures() {
			if b.Secrets.Observe(key).Valid(now) {
				continue
			}
			if !yield(identity.Unserved{Key: key, SecretName: what.SecretName, Reason: what.Reason, Message: what.Message}) {
				return
			}
		}
	}
}

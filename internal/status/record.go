package status

import (
	"errors"
	"time"

	"kube-aws-iam-controller/internal/identity"
)

// record is what is remembered of one identity.
type record struct {
	// failure is what is wrong, nil for nothing.
	failure *Failure
	// warning is the last Warning about what is served all the same.
	warning warning
}

// warning says which Warning was recorded, by its hash since tenants can bring about
// long ones, and when.
type warning struct {
	hash uint64
	at   time.Time
}

// A Failure is what is wrong with an identity.
type Failure struct {
	// Reason and Message are the event's.
	Reason, Message string
	// SecretName is the Secret that pods wait for.
	SecretName string
	// Role says that STS refused the role for what it is like in IAM.
	Role bool
	// Outage says that STS failed, for all alike: what is asked for was not looked at.
	Outage bool
	// invalid says that only the author of the object can fix it.
	invalid bool
	// recordedAt is when the event was recorded, the zero Time if it was not.
	recordedAt time.Time
	// recordAfter is when it can be, if there were too many events for now.
	recordAfter time.Time
}

// failureOf returns what an error says of an identity.
func failureOf(want identity.Desired, err error) Failure {
	_, invalid := errors.AsType[*identity.InvalidError](err)
	return Failure{
		Reason: identity.ReasonOf(err), Message: err.Error(), SecretName: want.SecretName, invalid: invalid,
		Role:   errors.Is(err, identity.ErrNotAssumable) || errors.Is(err, identity.ErrRoleUnfit),
		Outage: errors.Is(err, identity.ErrOutage),
	}
}

func (r *Recorder) record(key identity.Key) record {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.records[key]
}

// update changes the record of an identity. An empty one is not kept.
func (r *Recorder) update(key identity.Key, change func(*record)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known := r.records[key]
	if change(&known); known == (record{}) {
		delete(r.records, key)
		return
	}
	r.records[key] = known
}

// Clear records that nothing is wrong with an identity.
func (r *Recorder) Clear(key identity.Key) {
	r.update(key, func(known *record) { known.failure = nil })
}

// Failure returns what is wrong with an identity, nil for nothing.
func (r *Recorder) Failure(key identity.Key) *Failure { return r.record(key).failure }

// Failures returns what is wrong with whom.
func (r *Recorder) Failures() map[identity.Key]Failure {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := map[identity.Key]Failure{}
	for key, known := range r.records {
		if known.failure != nil {
			all[key] = *known.failure
		}
	}
	return all
}

// Outages returns the identities that STS failed without looking at what they ask for.
func (r *Recorder) Outages() (keys []identity.Key) {
	for key, failure := range r.Failures() {
		if failure.Outage {
			keys = append(keys, key)
		}
	}
	return keys
}

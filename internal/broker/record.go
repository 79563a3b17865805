package broker

import (
	"sync"
	"time"

	"kube-aws-iam-controller/internal/identity"
)

// record is what the process remembers of one identity. It is never needed to serve
// it: after a restart the first sync finds out again.
type record struct {
	// failure is what is wrong, nil for nothing.
	failure *failure
	// warning is the last Warning about what is served all the same.
	warning warned
	// check is the last external ID check that the role passed.
	check externalIDCheck
}

// failure is what is wrong with an identity.
type failure struct {
	reason, message string
	// invalid says that only the author of the object can mend it.
	invalid bool
	// role says that STS refused the role for what it is like in IAM.
	role bool
	// secret is the name of the Secret.
	secret string
	// recordedAt is when the event was last recorded, the zero Time if it was not.
	recordedAt time.Time
	// recordAfter is when it can be recorded, if that was too much for now.
	recordAfter time.Time
}

// records hold the record of each identity.
type records struct {
	mu sync.Mutex
	m  map[identity.Key]record
}

func newRecords() *records { return &records{m: map[identity.Key]record{}} }

func (r *records) of(key identity.Key) record {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.m[key]
}

// update changes the record of an identity. An empty one is not kept.
func (r *records) update(key identity.Key, change func(*record)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known := r.m[key]
	if change(&known); known == (record{}) {
		delete(r.m, key)
		return
	}
	r.m[key] = known
}

func (r *records) clearFailure(key identity.Key) {
	r.update(key, func(known *record) { known.failure = nil })
}

func (r *records) forget(key identity.Key) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known := r.m[key]
	delete(r.m, key)
	if known.warning != (warned{}) { // it is about an object that asks for nothing
		r.m[key] = record{warning: known.warning}
	}
}

func (r *records) begin() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.m = map[identity.Key]record{}
}

// failures returns what is wrong with whom.
func (r *records) failures() map[identity.Key]failure {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := map[identity.Key]failure{}
	for key, known := range r.m {
		if known.failure != nil {
			all[key] = *known.failure
		}
	}
	return all
}

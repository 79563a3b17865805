package events

import (
	"time"

	"golang.org/x/time/rate"

	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/limit"
)

// How many events are recorded: of one identity a few different ones at once, and of
// all identities of a namespace together what the queue of events can carry. That is
// one for all, and what does not fit is lost, whosever it is.
const (
	identityBurst    = 5
	identityInterval = 20 * time.Second // for one more

	namespaceBurst    = 100
	namespaceInterval = 100 * time.Millisecond

	maxIdentities = 1 << 15
	maxNamespaces = 1 << 12
)

// Limits bound how many events are recorded. Create them with NewLimits.
type Limits struct {
	// warnings are limited by identity, and by namespace for all of its identities.
	warnings limit.Repeating[identity.Key]
	// normal is for events of type Normal. Nobody comes back for those, so Warnings that
	// wait do not take their place.
	normal *limit.Keyed[string]
}

// NewLimits returns Limits that nothing was recorded under.
func NewLimits() Limits {
	return Limits{
		warnings: limit.NewRepeating(limit.RepeatingConfig[identity.Key]{
			Limit: rate.Every(identityInterval), Burst: identityBurst,
			GroupOf:    func(key identity.Key) string { return key.Namespace },
			GroupLimit: rate.Every(namespaceInterval), GroupBurst: namespaceBurst,
			Keys: maxIdentities, Groups: maxNamespaces,
		}),
		normal: limit.NewKeyed[string](rate.Every(namespaceInterval), namespaceBurst, maxNamespaces),
	}
}

// Take returns 0 if one more event of an identity may be recorded, or how long to wait
// for that.
func (l Limits) Take(key identity.Key, now time.Time) time.Duration {
	return l.warnings.TakeShared(key, now)
}

// Allow reports whether one more event that nobody waits for may be recorded in a
// namespace.
func (l Limits) Allow(namespace string, now time.Time) bool {
	return l.normal.Take(namespace, now) == 0
}

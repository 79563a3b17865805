package broker

import (
	"time"

	"golang.org/x/time/rate"

	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/limit"
	"kube-aws-iam-controller/internal/refresh"
)

// Limits on new credentials for one identity, and on repeated ones for all identities
// of a namespace. An object or a Secret that is changed in a loop, by mistake or on
// purpose, would otherwise use up the STS quota of everybody.
const (
	renewalBurst    = 30
	renewalInterval = 10 * time.Second // for one more

	repeatWithin   = time.Minute
	repeatBurst    = 100
	repeatInterval = 100 * time.Millisecond

	maxIdentities = 1 << 16
	maxNamespaces = 1 << 12
)

// limits bound what identities and namespaces can cause.
type limits struct {
	// renewals limits attempts to issue credentials, successful or not, and their removal.
	renewals limit.Repeating[identity.Key]
	// writes limits changes of labels, which must not delay renewals.
	writes limit.Repeating[identity.Key]
	// removed holds the namespaces that recently gave something up: a new request may
	// replace it.
	removed *limit.Recent[string]
}

func newLimits() limits {
	config := limit.RepeatingConfig[identity.Key]{
		Limit: rate.Every(renewalInterval), Burst: renewalBurst,
		GroupOf:    func(key identity.Key) string { return key.Namespace },
		GroupLimit: rate.Every(repeatInterval), GroupBurst: repeatBurst,
		Within: repeatWithin, Keys: maxIdentities, Groups: maxNamespaces,
	}
	return limits{
		renewals: limit.NewRepeating(config), writes: limit.NewRepeating(config),
		removed: limit.NewRecent[string](maxNamespaces, repeatWithin),
	}
}

// isRepeat reports whether AWS is asked for something that a namespace changes over and
// over, which gets only a share of the requests: the object had what it requests, or it
// was tried before. So call it before this attempt is counted. An expiration does not
// count unless it is forged. A new request that replaces what the namespace gave up
// does.
func (b *Broker) isRepeat(i issuance, now time.Time) bool {
	key := i.want.Key
	if i.reason == refresh.NearExpiry && !i.have.Edited {
		return b.limits.renewals.Repeats(key, now)
	}
	return i.have.Exists || b.Roles.Ensured(key) ||
		b.limits.renewals.Used(key, now) || b.limits.removed.Has(key.Namespace, now)
}

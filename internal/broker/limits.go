package broker

import (
	"time"

	"golang.org/x/time/rate"

	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/limit"
	"kube-aws-iam-controller/internal/refresh"
)

// How often one identity may have new credentials, and all identities of a namespace
// together may have them again. An object or a Secret that is changed in a loop, by
// mistake or on purpose, would otherwise use up what STS grants to all.
const (
	renewalBurst    = 30
	renewalInterval = 10 * time.Second // for one more

	repeatWithin   = time.Minute
	repeatBurst    = 100
	repeatInterval = 100 * time.Millisecond

	maxIdentities = 1 << 16
	maxNamespaces = 1 << 12
)

// limits bound what identities and namespaces bring about.
type limits struct {
	// renewals are for credentials, whatever comes of it, and for removing them.
	renewals limit.Repeating[identity.Key]
	// writes are for labels, which no renewal may wait for.
	writes limit.Repeating[identity.Key]
	// removed has the namespaces that gave something up of late: what they ask for anew
	// may be in place of that.
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

// isRepeat reports whether AWS is asked for what a namespace changes over and over,
// which gets a share of the requests only: the object had what it asks for, or was
// tried, before, so it is asked before this try is counted. What runs out does not
// count, unless that is forged. What is new in place of what the namespace gave up does.
func (b *Broker) isRepeat(i issuance, now time.Time) bool {
	key := i.want.Key
	if i.reason == refresh.NearExpiry && !i.have.Edited {
		return b.limits.renewals.Repeats(key, now)
	}
	return i.have.Exists || b.Roles.Ensured(key) ||
		b.limits.renewals.Used(key, now) || b.limits.removed.Has(key.Namespace, now)
}

package broker

import (
	"hash/maphash"
	"time"

	"kube-aws-iam-controller/internal/identity"
)

// A Warner is a Source that knows what the authors of its objects should be told
// besides what becomes of the objects.
type Warner interface {
	// Warning returns, from a cache, what to record, with an empty Message for nothing.
	Warning(key identity.Key) identity.Warning
}

// warned says which Warning was last recorded, by its hash since tenants can bring
// about long ones, and when.
type warned struct {
	hash uint64
	at   time.Time
}

var warningSeed = maphash.MakeSeed()

// warn records a Warning, and returns when to come back for it, 0 for never.
func (b *Broker) warn(key identity.Key) time.Duration {
	warner, is := b.Sources[key.Source].(Warner)
	if !is {
		return 0
	}
	warning, now := warner.Warning(key), time.Now()
	if warning.Message == "" {
		b.records.update(key, func(r *record) { r.warning = warned{} })
		return 0
	}
	if !warning.Asks && (b.Roles.MayExist(key) || b.Secrets.Observe(key).Exists) {
		return 0 // what it had is being removed, and what the controller wrote on it with that
	}
	hash, before := maphash.Comparable(warningSeed, warning), b.records.of(key).warning
	if wait := before.at.Add(repeatAfter).Sub(now); before.hash == hash && wait > 0 {
		return wait
	}
	if wait := b.Events.TryWarn(identity.Desired{Key: key, UID: warning.UID}, false, warning.Reason, warning.Message); wait > 0 {
		return wait
	}
	b.records.update(key, func(r *record) { r.warning = warned{hash, now} })
	return repeatAfter
}

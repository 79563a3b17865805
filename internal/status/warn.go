package status

import (
	"hash/maphash"
	"time"

	"kube-aws-iam-controller/internal/identity"
)

var warningSeed = maphash.MakeSeed()

// RecordWarning records what the author of an object should know although it is
// served, once in RepeatAfter for as long as it holds. It returns when to come back
// for that, 0 for never.
func (r *Recorder) RecordWarning(key identity.Key, w identity.Warning) time.Duration {
	now := time.Now()
	if w.Message == "" {
		r.update(key, func(known *record) { known.warning = warning{} })
		return 0
	}
	hash, before := maphash.Comparable(warningSeed, w), r.record(key).warning
	if wait := before.at.Add(RepeatAfter).Sub(now); before.hash == hash && wait > 0 {
		return wait
	}
	if wait := r.TryWarn(identity.Desired{Key: key, UID: w.UID}, false, w.Reason, w.Message); wait > 0 {
		return wait
	}
	r.update(key, func(known *record) { known.warning = warning{hash, now} })
	return RepeatAfter
}

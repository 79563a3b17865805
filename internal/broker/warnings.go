package broker

import (
	"context"
	"hash/maphash"
	"sync"
	"time"

	"kube-aws-iam-controller/internal/identity"
)

// A Warner is a Source that knows what the authors of its objects should be told
// beside what becomes of the objects.
type Warner interface {
	// Warning returns, from a cache, what to tell, with an empty Message for
	// nothing.
	Warning(key identity.Key) identity.Warning
}

// warn tells what there is to tell, and returns when to come back for that, 0 for
// never.
func (b *Broker) warn(ctx context.Context, key identity.Key, now time.Time) time.Duration {
	warner, is := b.Sources[key.Source].(Warner)
	if !is {
		return 0
	}
	warning := warner.Warning(key)
	if warning.Message == "" {
		b.warned.forget(key)
		return 0
	}
	if !warning.Asks && (b.holds(key) || b.Secrets.Observe(key).Exists) {
		return 0 // what it had is being taken away, and what we wrote on it with that
	}
	if wait := b.warned.wait(key, warning, now); wait > 0 {
		return wait
	}
	if wait := b.troubles.told.spend(key, now); wait > 0 {
		return wait
	}
	b.warned.note(key, warning, now)
	b.Reporter.Warn(ctx, identity.Desired{Key: key, UID: warning.UID}, false, warning.Reason, warning.Message)
	return repeatAfter
}

// warned remembers what was told of each object, by its hash since anybody can
// have long messages told, and when.
type warned struct {
	mu sync.Mutex
	of map[identity.Key]toldWarning
}

type toldWarning struct {
	what uint64
	at   time.Time
}

var warningSeed = maphash.MakeSeed()

// wait returns how long the same is not told again, 0 if it was not told.
func (w *warned) wait(key identity.Key, warning identity.Warning, now time.Time) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	told, was := w.of[key]
	if !was || told.what != maphash.Comparable(warningSeed, warning) {
		return 0
	}
	return max(0, told.at.Add(repeatAfter).Sub(now))
}

func (w *warned) note(key identity.Key, warning identity.Warning, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.of == nil {
		w.of = map[identity.Key]toldWarning{}
	}
	w.of[key] = toldWarning{maphash.Comparable(warningSeed, warning), now}
}

func (w *warned) forget(key identity.Key) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.of, key)
}

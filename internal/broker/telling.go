package broker

import (
	"maps"
	"sync"
	"time"

	"kube-aws-iam-controller/internal/identity"
)

// How much is told: of one identity some different things at once, and of all
// identities of a namespace together what events can carry. The queue of events is
// one for all, and what does not fit is lost, whosever it is.
const (
	tellBurst  = 5
	tellRefill = 20 * time.Second // for one more

	tellAllBurst  = 100
	tellAllRefill = 100 * time.Millisecond
)

// tellings bound how much is told.
type tellings struct {
	mu    sync.Mutex
	of    map[identity.Key]time.Time // when the bucket of an identity is empty
	in    turnstile
	swept time.Time
}

// spend returns 0 if one more thing may be told of an identity, or how long to wait
// for that.
func (t *tellings) spend(key identity.Key, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sweep(now)
	own, over := pour(t.of[key], now, tellRefill, tellBurst)
	if over > 0 {
		return over
	}
	if over = t.in.pass(key, now); over > 0 {
		return over
	}
	t.of[key] = own
	return 0
}

// try says whether one more thing may be told in a namespace, of what happens to
// one identity only ever so often.
func (t *tellings) try(namespace string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sweep(now)
	return t.in.try(namespace, now)
}

// sweep forgets empty buckets, now and then.
func (t *tellings) sweep(now time.Time) {
	if t.of == nil {
		t.of, t.in = map[identity.Key]time.Time{}, newTurnstile(tellAllBurst, tellAllRefill)
	}
	if now.Sub(t.swept) < tellBurst*tellRefill {
		return
	}
	t.swept = now
	maps.DeleteFunc(t.of, func(_ identity.Key, emptyAt time.Time) bool { return !emptyAt.After(now) })
	t.in.sweep(now)
}

// modest is a Reporter of which no namespace has more good news told than its
// part.
type modest struct {
	Reporter

	news *tellings
}

func (m modest) Normal(want identity.Desired, reason, message string) {
	if m.news.try(want.Namespace, time.Now()) {
		m.Reporter.Normal(want, reason, message)
	}
}

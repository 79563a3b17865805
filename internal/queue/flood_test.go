package queue

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-kit/log"
	"github.com/stretchr/testify/assert"
	"golang.org/x/time/rate"
)

// The controller's defaults, and the durations of the simulation.
const (
	simWorkers = 30
	simSlow    = 10
	simSession = time.Hour
	simLimit   = 20 * time.Minute
	simSync    = 150 * time.Millisecond
	simCall    = 100 * time.Millisecond
)

// simulation syncs keys whose credentials expire after a session. A key is
// tenant/kind/number.
type simulation struct {
	*Queue[string]

	iam *rate.Limiter

	mu        sync.Mutex
	deadlines map[string]time.Time
	// created is when each key without credentials was added.
	created map[string]time.Time
	// maxWait is how long a key of each kind had to wait for its first credentials;
	// late are the keys that were renewed after they had expired.
	maxWait map[string]time.Duration
	late    []string
	issued  map[string]int
}

func newSimulation() *simulation {
	s := &simulation{
		iam:       rate.NewLimiter(20, 40),
		deadlines: map[string]time.Time{}, created: map[string]time.Time{},
		maxWait: map[string]time.Duration{}, issued: map[string]int{},
	}
	s.Queue = New(log.NewNopLogger(), s.sync, Config[string]{
		Deadline: s.deadline, Urgent: 2 * time.Minute, Tenant: tenantOf,
		SlowWorkers: simSlow,
	})
	return s
}

func tenantOf(key string) string {
	tenant, _, _ := strings.Cut(key, "/")
	return tenant
}

func kindOf(key string) string { return key[:strings.LastIndex(key, "/")] }

func (s *simulation) deadline(key string) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.deadlines[key]
}

// create adds a key without credentials.
func (s *simulation) create(format string, args ...any) {
	key := fmt.Sprintf(format, args...)
	s.mu.Lock()
	s.created[key] = time.Now()
	s.mu.Unlock()
	s.Add(key)
}

// iamCalls returns how many IAM calls the sync of a key needs.
func iamCalls(key string) int {
	switch {
	case strings.HasSuffix(kindOf(key), "/heavy"):
		return 11
	case strings.HasSuffix(kindOf(key), "/swap"):
		return 23
	case strings.HasSuffix(kindOf(key), "/managed"):
		return 2
	default:
		return 0
	}
}

func (s *simulation) sync(ctx context.Context, key string, slow bool) (Result[string], error) {
	if slow {
		return s.syncSlow(ctx, key)
	}
	if left := time.Until(s.deadline(key)); left > simLimit {
		return Result[string]{After: left - simLimit}, nil // not due yet
	}
	if iamCalls(key) > 0 {
		time.Sleep(simCall / 10)
		return Result[string]{NeedsSlow: true}, nil
	}
	return s.issue(key), nil
}

func (s *simulation) syncSlow(ctx context.Context, key string) (Result[string], error) {
	for range iamCalls(key) {
		if err := s.iam.Wait(ctx); err != nil {
			return Result[string]{}, err
		}
		time.Sleep(simCall)
	}
	return s.issue(key), nil
}

func (s *simulation) issue(key string) Result[string] {
	time.Sleep(simSync)
	s.mu.Lock()
	defer s.mu.Unlock()
	now, kind := time.Now(), kindOf(key)
	s.issued[kind]++
	if strings.HasSuffix(kind, "/forged") {
		return Result[string]{}
	}
	if at, waits := s.created[key]; waits {
		s.maxWait[kind] = max(s.maxWait[kind], now.Sub(at))
		delete(s.created, key)
	} else if now.After(s.deadlines[key]) {
		s.late = append(s.late, key)
	}
	s.deadlines[key] = now.Add(simSession)
	return Result[string]{After: simSession - simLimit}
}

// addSynced adds n keys with credentials that expire at various times.
func (s *simulation) addSynced(n int, kind string) {
	for i := range n {
		key := fmt.Sprintf("%s/%d", kind, i)
		s.deadlines[key] = time.Now().Add(simSession * time.Duration(i+1) / time.Duration(n))
		s.Add(key)
	}
}

// every calls do once per interval for a while.
func every(interval, during time.Duration, do func(i int)) {
	for i := range int(during / interval) {
		do(i)
		time.Sleep(interval)
	}
}

func TestFloodOfOneTenantDoesNotDelayOthers(t *testing.T) {
	year0 := time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)
	floods := map[string]struct {
		during time.Duration
		flood  func(s *simulation)
	}{
		"10,000 new keys at once": {time.Minute, func(s *simulation) {
			for i := range 10_000 {
				s.create("a/new/%d", i)
			}
		}},
		"forged deadlines": {2 * time.Minute, func(s *simulation) {
			every(4*time.Millisecond, 2*time.Minute, func(i int) {
				key := fmt.Sprintf("a/forged/%d", i)
				s.mu.Lock()
				s.deadlines[key] = []time.Time{year0, time.Now().Add(-time.Hour), time.Now().Add(time.Second)}[i%3]
				s.mu.Unlock()
				s.Add(key)
			})
		}},
		"new keys that need IAM": {30 * time.Minute, func(s *simulation) {
			every(time.Second/2, 30*time.Minute, func(i int) { s.create("a/heavy/%d", i) })
		}},
		"role changes that need IAM": {15 * time.Minute, func(s *simulation) {
			every(300*time.Millisecond, 15*time.Minute, func(i int) { s.create("a/swap/%d", i) })
		}},
		"20,000 new keys of 20 tenants": {time.Minute, func(s *simulation) {
			for i := range 20_000 {
				s.create("a%d/new/%d", i%20, i)
			}
		}},
	}
	for name, tc := range floods {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSimulation()
				s.addSynced(300, "c/synced")
				s.addSynced(100, "a/synced")
				stop := run(t, s.Queue, simWorkers)
				go tc.flood(s)
				time.Sleep(time.Second)
				every(10*time.Second, tc.during, func(i int) {
					s.create("b/first/%d", i)
					s.create("b/second/%d", i)
					s.create("d/managed/%d", i)
				})
				stop()
				assert.Positive(t, s.issued["b/first"])
				assert.LessOrEqual(t, s.maxWait["b/first"], 3*time.Second)
				assert.LessOrEqual(t, s.maxWait["b/second"], 5*time.Second)
				assert.Less(t, s.maxWait["d/managed"], 5*time.Second)
				assert.Less(t, s.maxWait["a/new"], 52*time.Second, "all workers are used")
				assert.Empty(t, s.late)
				for key, deadline := range s.deadlines {
					assert.False(t, kindOf(key) == "c/synced" && deadline.Before(time.Now()), "%s expired", key)
				}
			})
		})
	}
}

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

// The controller's defaults, and how long things take.
const (
	simWorkers = 30
	simSlow    = 10
	simSession = time.Hour
	simLimit   = 20 * time.Minute
	simSync    = 150 * time.Millisecond
	simCall    = 100 * time.Millisecond
)

// town is a simulation of flows whose keys get something that runs out after
// a session, like credentials. A key is flow/kind/number.
type town struct {
	*Queue[string]

	iam *rate.Limiter

	mu        sync.Mutex
	deadlines map[string]time.Time
	asked     map[string]time.Time
	// waits are the longest that the keys of a kind had to, late those that were
	// renewed after they had run out.
	waits  map[string]time.Duration
	late   []string
	served map[string]int
}

func newTown() *town {
	s := &town{
		iam:       rate.NewLimiter(20, 40),
		deadlines: map[string]time.Time{}, asked: map[string]time.Time{},
		waits: map[string]time.Duration{}, served: map[string]int{},
	}
	s.Queue = New(log.NewNopLogger(), s.sync, Config[string]{
		Deadline: s.deadline, Urgent: 2 * time.Minute, Flow: flowOf,
		SlowWorkers: simSlow,
	})
	return s
}

func flowOf(key string) string {
	flow, _, _ := strings.Cut(key, "/")
	return flow
}

func kindOf(key string) string { return key[:strings.LastIndex(key, "/")] }

func (s *town) deadline(key string) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.deadlines[key]
}

// ask adds a key that has nothing.
func (s *town) ask(format string, args ...any) {
	key := fmt.Sprintf(format, args...)
	s.mu.Lock()
	s.asked[key] = time.Now()
	s.mu.Unlock()
	s.Add(key)
}

// calls is how many calls of a slow API a kind needs.
func calls(key string) int {
	switch {
	case strings.HasSuffix(kindOf(key), "/heavy"):
		return 11
	case strings.HasSuffix(kindOf(key), "/swap"):
		return 23
	case strings.HasSuffix(kindOf(key), "/own"):
		return 2
	default:
		return 0
	}
}

func (s *town) sync(ctx context.Context, key string, slow bool) (Result, error) {
	if slow {
		return s.slowly(ctx, key)
	}
	if left := time.Until(s.deadline(key)); left > simLimit {
		return Result{After: left - simLimit}, nil // it is fresh
	}
	if calls(key) > 0 {
		time.Sleep(simCall / 10)
		return Result{NeedsSlow: true}, nil
	}
	return s.serve(key), nil
}

func (s *town) slowly(ctx context.Context, key string) (Result, error) {
	for range calls(key) {
		if err := s.iam.Wait(ctx); err != nil {
			return Result{}, err
		}
		time.Sleep(simCall)
	}
	return s.serve(key), nil
}

func (s *town) serve(key string) Result {
	time.Sleep(simSync)
	s.mu.Lock()
	defer s.mu.Unlock()
	now, kind := time.Now(), kindOf(key)
	s.served[kind]++
	if strings.HasSuffix(kind, "/forged") {
		return Result{}
	}
	if at, asked := s.asked[key]; asked {
		s.waits[kind] = max(s.waits[kind], now.Sub(at))
		delete(s.asked, key)
	} else if now.After(s.deadlines[key]) {
		s.late = append(s.late, key)
	}
	s.deadlines[key] = now.Add(simSession)
	return Result{After: simSession - simLimit}
}

// settled gives keys of a flow something that runs out at various times.
func (s *town) settled(n int, kind string) {
	for i := range n {
		key := fmt.Sprintf("%s/%d", kind, i)
		s.deadlines[key] = time.Now().Add(simSession * time.Duration(i+1) / time.Duration(n))
		s.Add(key)
	}
}

// every does something each interval, for a while.
func every(interval, during time.Duration, do func(i int)) {
	for i := range int(during / interval) {
		do(i)
		time.Sleep(interval)
	}
}

func TestNoFloodOfOneFlowKeepsAnotherWaiting(t *testing.T) {
	year0 := time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)
	floods := map[string]struct {
		during time.Duration
		flood  func(s *town)
	}{
		"10,000 new at once": {time.Minute, func(s *town) {
			for i := range 10_000 {
				s.ask("a/new/%d", i)
			}
		}},
		"forged deadlines": {2 * time.Minute, func(s *town) {
			every(4*time.Millisecond, 2*time.Minute, func(i int) {
				key := fmt.Sprintf("a/forged/%d", i)
				s.mu.Lock()
				s.deadlines[key] = []time.Time{year0, time.Now().Add(-time.Hour), time.Now().Add(time.Second)}[i%3]
				s.mu.Unlock()
				s.Add(key)
			})
		}},
		"new ones that take long": {30 * time.Minute, func(s *town) {
			every(time.Second/2, 30*time.Minute, func(i int) { s.ask("a/heavy/%d", i) })
		}},
		"changes that take long": {15 * time.Minute, func(s *town) {
			every(300*time.Millisecond, 15*time.Minute, func(i int) { s.ask("a/swap/%d", i) })
		}},
		"many of several flows": {time.Minute, func(s *town) {
			for i := range 20_000 {
				s.ask("a%d/new/%d", i%20, i)
			}
		}},
	}
	for name, tc := range floods {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newTown()
				s.settled(300, "c/settled")
				s.settled(100, "a/settled")
				stop := run(t, s.Queue, simWorkers)
				go tc.flood(s)
				time.Sleep(time.Second)
				every(10*time.Second, tc.during, func(i int) {
					s.ask("b/first/%d", i)
					s.ask("b/second/%d", i)
					s.ask("d/own/%d", i)
				})
				stop()
				assert.Positive(t, s.served["b/first"])
				assert.LessOrEqual(t, s.waits["b/first"], 3*time.Second)
				assert.LessOrEqual(t, s.waits["b/second"], 5*time.Second)
				assert.Less(t, s.waits["d/own"], 5*time.Second)
				assert.Less(t, s.waits["a/new"], 52*time.Second, "all workers are at work")
				assert.Empty(t, s.late)
				for key, deadline := range s.deadlines {
					assert.False(t, kindOf(key) == "c/settled" && deadline.Before(time.Now()), "%s ran out", key)
				}
			})
		})
	}
}

package managedrole

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/go-kit/log/level"
	"golang.org/x/time/rate"

	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/limit"
)

const (
	// countAfter is the maximum age of the number of roles that the interval is based on.
	countAfter = time.Minute
	// postponement is how soon an inspection that could not begin is retried.
	postponement = 10 * time.Second
	// maxPromised is the maximum number of due inspections whose turns are remembered.
	maxPromised = 1 << 16
)

// schedule decides when roles are inspected: each once in an interval, which is longer
// than configured if there are too many roles, and all together no faster than their
// share of the requests to IAM allows, whatever made them due.
type schedule struct {
	// turns promises a time to each role whose inspection is due.
	turns *limit.Grouped[identity.Key]
	// running has a slot for each inspection that may run at the same time.
	running chan struct{}

	mu        sync.Mutex
	interval  time.Duration
	logged    time.Duration
	countedAt time.Time
}

func newSchedule(c Config) *schedule {
	together := func(identity.Key) string { return "" }
	return &schedule{
		turns:   limit.NewGrouped(together, rate.Limit(inspectionRate(c.InspectionRequests, c.IAMQPS)), 1, 1, maxPromised),
		running: make(chan struct{}, max(1, c.Inspections)),
	}
}

func (m *Manager) inspects() bool { return m.DriftInterval > 0 && m.IAM.Disabled() == nil }

// CurrentDriftInterval returns how often each role is inspected at present, 0 for
// never. That is less often than DriftInterval if there are more roles than it allows.
func (m *Manager) CurrentDriftInterval() time.Duration {
	if !m.inspects() {
		return 0
	}
	s, now := m.schedule(), time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.interval == 0 || now.Sub(s.countedAt) >= countAfter {
		s.countedAt = now
		m.recount(s)
	}
	return s.interval
}

// recount plans the interval for the present number of roles. s.mu must be held.
func (m *Manager) recount(s *schedule) {
	roles := 0
	for range m.Finalizers.Owners() {
		roles++
	}
	s.interval = stretched(m.DriftInterval, roles, m.InspectionRequests, m.IAMQPS)
	if !notable(m.DriftInterval, s.logged, s.interval) {
		return
	}
	s.logged = s.interval
	message := "managed roles are checked for drift less often than --drift-interval says, because the checks get a quarter of --iam-qps"
	if s.interval == m.DriftInterval {
		message = "managed roles are checked for drift as often as --drift-interval says"
	}
	level.Info(m.Logger).Log("msg", message, "interval", s.interval.Round(time.Second), "asked", m.DriftInterval, "roles", roles, "iamQPS", m.IAMQPS)
}

// InspectIn returns the time until the role has to be inspected for drift, 0 or less if
// that is due and it is its turn. It returns false if roles are not inspected. Roles
// that are new to the process are spread over the interval.
func (m *Manager) InspectIn(key identity.Key) (wait time.Duration, is bool) {
	if !m.inspects() {
		return 0, false
	}
	interval, s, now := m.CurrentDriftInterval(), m.schedule(), time.Now()
	m.update(key, func(r *record) {
		if r.inspectAt.IsZero() {
			r.inspectAt = now.Add(rand.N(interval)) //nolint:gosec // jitter needs no secret randomness
		}
		wait = r.inspectAt.Sub(now)
		if wait > 0 || r.admitted {
			return
		}
		turn := r.postponedTo.Sub(now)
		if turn <= 0 {
			turn = s.turns.Take(key, now)
		}
		if r.admitted = turn <= 0; !r.admitted {
			wait = turn
		}
	})
	return wait, true
}

// begin begins an inspection, which end ends. It returns false if the inspection may
// not begin now: enough others are running, or somebody is waiting for IAM and the
// inspection has not been overdue for a whole interval yet.
func (m *Manager) begin(key identity.Key) (end func(), may bool) {
	interval, s, now := m.CurrentDriftInterval(), m.schedule(), time.Now()
	if may = !m.IAM.Busy() || now.Sub(m.record(key).inspectAt) > interval; may {
		select {
		case s.running <- struct{}{}:
		default:
			may = false
		}
	}
	m.update(key, func(r *record) {
		r.admitted = false
		if !may {
			r.postponedTo = now.Add(jittered(postponement))
		}
	})
	return func() { <-s.running }, may
}

// planNext plans the next inspection of a role that matches.
func (m *Manager) planNext(key identity.Key) time.Duration {
	wait := jittered(m.CurrentDriftInterval())
	m.plan(key, wait, false)
	return wait
}

func (m *Manager) plan(key identity.Key, wait time.Duration, suspect bool) {
	at := time.Now().Add(wait)
	m.update(key, func(r *record) { r.inspectAt, r.suspect, r.inspectFailed = at, suspect, false })
}

// jittered returns an interval, shortened by up to a tenth, so that what began together
// does not stay together.
func jittered(interval time.Duration) time.Duration {
	return interval - rand.N(interval/10+1) //nolint:gosec // jitter needs no secret randomness
}

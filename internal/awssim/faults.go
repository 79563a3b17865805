package awssim

import (
	"context"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"
)

// A Fault is an injected failure. Without a Code the client gets no response; Drop and Hang
// select whether the action takes effect.
type Fault struct {
	// Action is the action that fails, "" for all.
	Action string `json:"action,omitempty"`
	// Code, Status and Message are the error response. A Status of 0 is the usual one of
	// the Code.
	Code    string `json:"code,omitempty"`
	Status  int    `json:"status,omitempty"`
	Message string `json:"message,omitempty"`
	// Drop closes the connection after the action has taken effect.
	Drop bool `json:"drop,omitempty"`
	// Hang blocks until the client disconnects. The action does not take effect.
	Hang bool `json:"hang,omitempty"`
	// Times is the number of requests that fail, 0 for no limit.
	Times int `json:"times,omitempty"`
	// Probability is the chance that a request fails, 0 for always.
	Probability float64 `json:"probability,omitempty"`
}

// Settings can be changed while a simulation runs. A nil setting stays unchanged.
type Settings struct {
	// Latency is added to every request.
	Latency *Duration `json:"latency,omitempty"`
	// Propagation is the delay before reads and STS see a change of a role.
	Propagation *Duration `json:"propagation,omitempty"`
	// LastUsedLag is how long after a request with the credentials of a role IAM shows
	// that the role was used, four hours by default.
	LastUsedLag *Duration `json:"lastUsedLag,omitempty"`
	// Session overrides the duration of all sessions. 0 means the requested duration.
	Session *Duration `json:"session,omitempty"`
	// Faults replaces the list of faults.
	Faults *[]Fault `json:"faults,omitempty"`
	// DisabledAccounts are the accounts in which STS is not activated in the Region.
	DisabledAccounts *[]string `json:"disabledAccounts,omitempty"`
	// RolesPerAccount is the quota of roles, 1,000 by default. AWS increases it to 5,000
	// on request.
	RolesPerAccount *int `json:"rolesPerAccount,omitempty"`
}

// faults holds the current settings.
type faults struct {
	mu    sync.Mutex
	delay time.Duration
	late  time.Duration
	short time.Duration
	// unshown is for how long IAM does not show the use of a role.
	unshown time.Duration
	list    []Fault
	off     []string
	roles   int
}

// Set changes settings of a simulation.
func (s *Sim) Set(settings Settings) {
	f := &s.faults
	f.mu.Lock()
	defer f.mu.Unlock()
	set(&f.delay, (*time.Duration)(settings.Latency))
	set(&f.late, (*time.Duration)(settings.Propagation))
	set(&f.unshown, (*time.Duration)(settings.LastUsedLag))
	set(&f.short, (*time.Duration)(settings.Session))
	set(&f.list, settings.Faults)
	set(&f.off, settings.DisabledAccounts)
	set(&f.roles, settings.RolesPerAccount)
}

func set[T any](field *T, value *T) {
	if value != nil {
		*field = *value
	}
}

func (f *faults) propagation() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.late
}

func (f *faults) lastUsedLag() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.unshown
}

func (f *faults) session() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.short
}

func (f *faults) maxRoles() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.roles
}

func (f *faults) regionDisabled(account string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Contains(f.off, account)
}

// plan is the fault and the latency for one request.
type plan struct {
	latency    time.Duration
	refuse     *apiError
	drop, hang bool
}

// next returns the plan for a request and decrements Times of the fault.
func (f *faults) next(action string) plan {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := plan{latency: f.delay}
	for i := range f.list {
		fault := &f.list[i]
		if (fault.Action != "" && fault.Action != action) ||
			(fault.Probability > 0 && rand.Float64() >= fault.Probability) { //nolint:gosec // fault injection needs no secret randomness
			continue
		}
		p.drop, p.hang = fault.Drop, fault.Hang
		if fault.Code != "" {
			p.refuse = fault.answer()
		}
		if fault.Times > 0 {
			if fault.Times--; fault.Times == 0 {
				f.list = slices.Delete(slices.Clone(f.list), i, i+1)
			}
		}
		break
	}
	return p
}

func (f *Fault) answer() *apiError {
	status, message := f.Status, f.Message
	switch {
	case status != 0:
	case f.Code == "ServiceFailure", f.Code == "InternalFailure":
		status = http.StatusInternalServerError
	case f.Code == "ServiceUnavailable":
		status = http.StatusServiceUnavailable
	case f.Code == "AccessDenied", f.Code == "ExpiredToken":
		status = http.StatusForbidden
	default:
		status = http.StatusBadRequest
	}
	if message == "" && f.Code == "Throttling" {
		message = "Rate exceeded"
	}
	return newError(status, f.Code, message)
}

// delay waits as planned. It returns false if the client has disconnected or the request
// is to hang.
func (p plan) delay(ctx context.Context) bool {
	if p.hang {
		<-ctx.Done()
		return false
	}
	if p.latency <= 0 {
		return true
	}
	timer := time.NewTimer(p.latency)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

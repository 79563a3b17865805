package awssim

import (
	"context"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"
)

// A Fault is something that goes wrong. Faults without a Code let the action
// take effect or not, but never answer.
type Fault struct {
	// Action is the one it befalls, "" for every one.
	Action string `json:"action,omitempty"`
	// Code, Status and Message are what is answered. "Throttling" and the
	// like have their usual status if none is given.
	Code    string `json:"code,omitempty"`
	Status  int    `json:"status,omitempty"`
	Message string `json:"message,omitempty"`
	// Drop closes the connection after the action has taken effect.
	Drop bool `json:"drop,omitempty"`
	// Hang waits until the client gives up, without effect.
	Hang bool `json:"hang,omitempty"`
	// Times is how often it happens, 0 for until further notice.
	Times int `json:"times,omitempty"`
	// Probability is how likely it is each time, 0 for certain.
	Probability float64 `json:"probability,omitempty"`
}

// Settings are what can be changed while a simulation runs. Each is as before
// where it is nil.
type Settings struct {
	// Latency is added to every request.
	Latency *Duration `json:"latency,omitempty"`
	// Propagation is how long a change of a role stays unseen by reads and STS.
	Propagation *Duration `json:"propagation,omitempty"`
	// Session replaces the length of all sessions; 0 for what was asked for.
	Session *Duration `json:"session,omitempty"`
	// Faults replace those before.
	Faults *[]Fault `json:"faults,omitempty"`
	// DisabledAccounts are those in which STS is not active in the Region.
	DisabledAccounts *[]string `json:"disabledAccounts,omitempty"`
	// RolesPerAccount is the quota of roles, 1,000 until it is set. AWS raises
	// it to 5,000 on request.
	RolesPerAccount *int `json:"rolesPerAccount,omitempty"`
}

// faults holds the settings in force.
type faults struct {
	mu    sync.Mutex
	delay time.Duration
	late  time.Duration
	short time.Duration
	list  []Fault
	off   []string
	roles int
}

// Set changes settings of a simulation.
func (s *Sim) Set(settings Settings) {
	f := &s.faults
	f.mu.Lock()
	defer f.mu.Unlock()
	set(&f.delay, (*time.Duration)(settings.Latency))
	set(&f.late, (*time.Duration)(settings.Propagation))
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

// plan is what befalls one request.
type plan struct {
	latency    time.Duration
	refuse     *apiError
	drop, hang bool
}

// next decides what befalls the next request.
func (f *faults) next(action string) plan {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := plan{latency: f.delay}
	for i := range f.list {
		fault := &f.list[i]
		if (fault.Action != "" && fault.Action != action) ||
			(fault.Probability > 0 && rand.Float64() >= fault.Probability) { //nolint:gosec // a simulation's dice
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

// delay waits as planned; false if the client has gone or is to be left alone.
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

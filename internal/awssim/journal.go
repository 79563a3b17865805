package awssim

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// A Call is a record of one request, without secrets.
type Call struct {
	Time    time.Time         `json:"time"`
	Service string            `json:"service"`
	Action  string            `json:"action"`
	Caller  string            `json:"caller,omitempty"`
	Params  map[string]string `json:"params,omitempty"`
	// Code is "OK", the error code, or "(dropped)" without a response.
	Code string `json:"code"`
}

// keep is the number of latest calls that are kept.
const keep = 20_000

// journal records calls and issued credentials.
type journal struct {
	mu     sync.Mutex
	calls  []Call
	counts map[string]int
	issued []string
}

func (j *journal) record(q *request, failure *apiError) {
	call := Call{Time: q.received, Service: q.service, Action: q.action, Code: "OK", Params: map[string]string{}}
	if failure != nil {
		call.Code = failure.code
	}
	if q.caller != nil {
		call.Caller = q.caller.arn
	}
	for key, values := range q.form.Values {
		if key != "Action" && key != "Version" && !strings.Contains(key, "Token") {
			call.Params[key] = values[0]
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.counts == nil {
		j.counts = map[string]int{}
	}
	j.counts[q.action]++
	j.calls = append(j.calls, call)
	if len(j.calls) > 2*keep {
		j.calls = slices.Clone(j.calls[keep:])
	}
}

func (j *journal) issue(secrets ...string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.issued = append(j.issued, secrets...)
}

// Calls returns the latest requests, oldest first.
func (s *Sim) Calls() []Call {
	s.journal.mu.Lock()
	defer s.journal.mu.Unlock()
	return slices.Clone(s.journal.calls)
}

// Counts returns the number of requests by action, including failed ones.
func (s *Sim) Counts() map[string]int {
	s.journal.mu.Lock()
	defer s.journal.mu.Unlock()
	return maps.Clone(s.journal.counts)
}

// IssuedSecrets returns all access key IDs, secret access keys and session tokens issued so
// far. Tests use it to detect leaks.
func (s *Sim) IssuedSecrets() []string {
	s.journal.mu.Lock()
	defer s.journal.mu.Unlock()
	return slices.Clone(s.journal.issued)
}

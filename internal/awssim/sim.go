package awssim

import (
	"net/http"
	"strings"
	"sync"
	"time"
)

// Options say what a simulation starts with. The zero value is usable.
type Options struct {
	// Now is the clock, time.Now if nil.
	Now func() time.Time
	// Partition is the ARNs', "aws" if empty.
	Partition string
	// PageSize is the most that a list returns at once, 100 if 0.
	PageSize int
	// PoliciesPerRole is the quota of managed policies that are attached to a
	// role, 10 if 0. AWS raises it to 25 on request.
	PoliciesPerRole int
}

// Sim is a simulation of all accounts of a partition. It is an http.Handler
// for both services.
type Sim struct {
	now       func() time.Time
	partition string
	pageSize  int

	maxAttached int

	faults  faults
	journal journal

	mu       sync.Mutex
	accounts map[string]*account
	keys     map[string]*accessKey // by access key id
	profiles map[string]*instanceProfile
}

// New returns a Sim without any accounts: they come into being as they are
// named.
func New(options Options) *Sim {
	s := &Sim{
		now: options.Now, partition: options.Partition, pageSize: options.PageSize,
		accounts: map[string]*account{}, keys: map[string]*accessKey{}, profiles: map[string]*instanceProfile{},
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.partition == "" {
		s.partition = "aws"
	}
	if s.pageSize == 0 {
		s.pageSize = 100
	}
	if s.maxAttached = options.PoliciesPerRole; s.maxAttached == 0 {
		s.maxAttached = defaultPoliciesPerRole
	}
	s.faults.roles = defaultRolesPerAccount
	return s
}

// request is one call on its way through the simulation.
type request struct {
	*Sim

	form    form
	service string
	action  string
	caller  *principal
	now     time.Time
}

// handler serves one action and returns its result, nil for none. It is called
// with the simulation locked.
type handler func(*request) (any, *apiError)

// services are the actions of each service, by API version.
func services() map[string]map[string]handler {
	return map[string]map[string]handler{
		iamVersion: iamActions(),
		stsVersion: stsActions(),
	}
}

// API versions, which name the service in a request.
const (
	iamVersion = "2010-05-08"
	stsVersion = "2011-06-15"
)

// maxBody is more than the largest policy document takes, encoded.
const maxBody = 1 << 20

// ServeHTTP implements http.Handler.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, adminPath) {
		s.serveAdmin(w, r)
		return
	}
	body, err := readBody(w, r)
	if err != nil {
		writeError(w, iamVersion, newError(http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "the request is too large"))
		return
	}
	q := &request{Sim: s, form: parseForm(body), now: s.now()}
	q.action = q.form.get("Action")
	result, failure := s.handle(r, body, q)
	s.journal.record(q, failure)
	if failure == dropped {
		panic(http.ErrAbortHandler) // closes the connection without an answer
	}
	if failure != nil {
		writeError(w, q.form.get("Version"), failure)
		return
	}
	writeResult(w, q.form.get("Version"), q.action, result)
}

// handle injects what was asked for, authenticates and serves.
func (s *Sim) handle(r *http.Request, body []byte, q *request) (any, *apiError) {
	version := q.form.get("Version")
	do := services()[version][q.action]
	if do == nil {
		return nil, newError(http.StatusBadRequest, "InvalidAction", "Could not find operation "+q.action+" for version "+version)
	}
	q.service = map[string]string{iamVersion: "iam", stsVersion: "sts"}[version]
	fault := s.faults.next(q.action)
	if !fault.delay(r.Context()) {
		return nil, dropped
	}
	if fault.refuse != nil {
		return nil, fault.refuse
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var failure *apiError
	if q.caller, failure = s.authenticate(r, body, q); failure != nil {
		return nil, failure
	}
	result, failure := do(q)
	if fault.drop {
		return nil, dropped
	}
	return result, failure
}

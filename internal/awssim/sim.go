package awssim

import (
	"net/http"
	"strings"
	"sync"
	"time"
)

// Options configure a simulation. The zero value is usable.
type Options struct {
	// Now is the clock, time.Now if nil.
	Now func() time.Time
	// Partition is the partition in ARNs, "aws" if empty.
	Partition string
	// PageSize is the maximum number of items in a page, 100 if 0.
	PageSize int
	// PoliciesPerRole is the quota of managed policies attached to a role, 10 if 0. AWS
	// increases it to 25 on request.
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
	keys     map[string]*accessKey // by access key ID
	profiles map[string]*instanceProfile
	uses     map[string][]use // of roles, by unique ID
	// providers are OIDC providers by account and issuer.
	providers map[string]*OIDCProvider
}

// New returns a Sim. Accounts are created on first use.
func New(options Options) *Sim {
	s := &Sim{
		now: options.Now, partition: options.Partition, pageSize: options.PageSize,
		accounts: map[string]*account{}, keys: map[string]*accessKey{}, profiles: map[string]*instanceProfile{},
		providers: map[string]*OIDCProvider{}, uses: map[string][]use{},
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
	s.faults.roles, s.faults.unshown = defaultRolesPerAccount, lastUsedLag
	return s
}

// request is the state of one request.
type request struct {
	*Sim

	form    form
	service string
	action  string
	caller  *principal
	// received is when the request came, now when it is authenticated and performed: the
	// versions of roles that it could see when it came may be gone by then.
	received, now time.Time
}

// handler performs one action and returns its result, nil for none. The caller holds mu.
type handler func(*request) (any, *apiError)

// services has the handlers of each service, by API version.
func services() map[string]map[string]handler {
	return map[string]map[string]handler{
		iamVersion: iamActions(),
		stsVersion: stsActions(),
	}
}

// API versions, which identify the service of a request.
const (
	iamVersion = "2010-05-08"
	stsVersion = "2011-06-15"
)

// maxBody exceeds the size of the largest policy document, URL-encoded.
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
	if r.URL.Path == validatePolicyPath {
		s.serveAnalyzer(w, r, body)
		return
	}
	q := &request{Sim: s, form: parseForm(body), received: s.now()}
	q.action = q.form.get("Action")
	result, failure := s.handle(r, body, q)
	s.journal.record(q, failure)
	if failure == dropped {
		panic(http.ErrAbortHandler) // closes the connection without a response
	}
	if failure != nil {
		writeError(w, q.form.get("Version"), failure)
		return
	}
	writeResult(w, q.form.get("Version"), q.action, result)
}

// handle injects faults, authenticates the request and performs the action.
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
	var failure *apiError
	if q.caller, failure = s.identify(r, body, q); failure != nil {
		return nil, failure
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q.now = s.now()
	result, failure := do(q)
	if fault.drop {
		return nil, dropped
	}
	return result, failure
}

// identify returns the caller of a request: whose access key signed it, or the bearer of
// its token.
func (s *Sim) identify(r *http.Request, body []byte, q *request) (*principal, *apiError) {
	if q.action == webIdentityAction {
		q.now = s.now()
		return s.federated(r.Context(), q)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q.now = s.now()
	return s.authenticate(r, body, q)
}

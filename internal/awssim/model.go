package awssim

import (
	"crypto/rand"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Quotas, https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html.
const (
	maxTags                = 50
	maxTrustPolicy         = 2048
	maxInlinePolicies      = 10240
	defaultPoliciesPerRole = 10
	defaultRolesPerAccount = 1000
)

// tag is a tag. Keys are case-insensitive but case-preserving.
type tag struct{ Key, Value string }

func foldKey(key string) string { return strings.ToLower(key) }

// account is one AWS account.
type account struct {
	id       string
	roles    map[string]*history // by lower-case name
	users    map[string]*user
	policies map[string]*document // managed, by ARN
}

// user is an IAM user, with the fields that a caller needs.
type user struct {
	name, id, arn string
	admin         bool
	policies      []*document
}

// role is one version of an IAM role. Versions are shared and therefore immutable.
type role struct {
	name, path, id, arn string
	description         string
	created             time.Time
	maxSession          int // seconds
	trust               *document
	boundary            string // ARN, "" for none
	tags                []tag
	inline              map[string]*document
	attached            []string
	// admin allows all actions without an identity policy.
	admin bool
	// linked marks a service-linked role, which cannot be modified.
	linked bool
}

// rolesLeft reports whether the number of roles is below the quota.
func (a *account) rolesLeft(quota int) bool {
	have := 0
	for _, h := range a.roles {
		if h.latest() != nil {
			have++
		}
	}
	return have < quota
}

func (r *role) clone() *role {
	c := *r
	c.tags, c.attached, c.inline = slices.Clone(r.tags), slices.Clone(r.attached), maps.Clone(r.inline)
	return &c
}

// history has the versions of a role that reads may still see before a change propagates.
type history struct{ versions []version }

type version struct {
	at   time.Time
	role *role // nil if deleted
}

// latest returns the version that writes apply to.
func (h *history) latest() *role {
	if h == nil || len(h.versions) == 0 {
		return nil
	}
	return h.versions[len(h.versions)-1].role
}

// at returns the version at a point in time.
func (h *history) at(moment time.Time) *role {
	if h == nil {
		return nil
	}
	for _, v := range slices.Backward(h.versions) {
		if !v.at.After(moment) {
			return v.role
		}
	}
	return nil
}

// set adds a version and drops those that no read can see any more.
func (h *history) set(now, oldest time.Time, r *role) {
	h.versions = append(h.versions, version{at: now, role: r})
	for len(h.versions) > 1 && !h.versions[1].at.After(oldest) {
		h.versions = h.versions[1:]
	}
}

type instanceProfile struct {
	name, path, id, arn string
	created             time.Time
	account             string
	roles               []string
}

// accessKey is an access key of a user or, with a token, of a session.
type accessKey struct {
	id, secret, token string
	expires           time.Time // zero for no expiration
	principal         *principal
}

// principal is the caller of a request.
type principal struct {
	account string
	// arn is the ARN of the session or of the user.
	arn string
	// entity is the ARN of the role or of the user, id its unique ID.
	entity, id  string
	roleName    string // "" for a user
	userName    string
	sessionName string
	tags        []tag
	transitive  []string // keys, folded
	source      string   // source identity
	// policy is the inline session policy, nil for none.
	policy *document
	// web is the bearer of a token, nil for whoever signs requests.
	web *webIdentity
}

// userID returns the UserId of GetCallerIdentity.
func (p *principal) userID() string {
	if p.roleName != "" {
		return p.id + ":" + p.sessionName
	}
	return p.id
}

const idAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

// newID returns a unique ID such as AROA… or ASIA….
func newID(prefix string, length int) string {
	random := make([]byte, length-len(prefix))
	_, _ = rand.Read(random)
	for i, b := range random {
		random[i] = idAlphabet[int(b)%len(idAlphabet)]
	}
	return prefix + string(random)
}

func requestID() string { return uuid.NewString() }

func (s *Sim) account(id string) *account {
	a := s.accounts[id]
	if a == nil {
		a = &account{id: id, roles: map[string]*history{}, users: map[string]*user{}, policies: map[string]*document{}}
		s.accounts[id] = a
	}
	return a
}

func (s *Sim) arn(service, account, resource string) string {
	return "arn:" + s.partition + ":" + service + "::" + account + ":" + resource
}

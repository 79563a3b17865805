package identity

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"
)

// SpecHash identifies what credentials are issued for: the object and its request. It
// is RoleHash, followed by a dash and 16 more hexadecimal digits for the session policy
// if there is one.
//
// It is computed before role names are resolved, so that an unchanged request is
// recognized without calling AWS. The hashed values must never change, because Secrets
// of earlier versions carry them.
func (d Desired) SpecHash() string {
	if d.pinnedHash != "" {
		return d.pinnedHash
	}
	return d.RoleHash() + policySuffix(d.SessionPolicy)
}

// RoleHash returns 16 hexadecimal digits that identify the request without its session
// policy, which is all that a role depends on.
func (d Desired) RoleHash() string {
	spec := []any{"v1", d.UID, d.Role.String(), d.SessionDuration, d.ExternalID, d.Generation}
	if d.Managed != nil {
		// The role's name is derived from the object's, its ARN is only known to AWS.
		spec = []any{"own", d.UID, d.Managed.Policy, d.Managed.ManagedPolicies, d.SessionDuration, d.ExternalID}
	}
	text, err := json.Marshal(spec)
	if err != nil { // strings and integers always marshal
		return ""
	}
	return digest(text)
}

// PolicyHash identifies that of a request which there may be hints about: 16 hexadecimal
// digits for the inline policy if there is one and, for managed policies that allow far
// more than an application needs, a dash and 16 more.
func (m *ManagedRole) PolicyHash() string {
	inline, managed := "", hashOfWidePolicies(m.ManagedPolicies)
	if m.Policy != "" {
		inline = digest([]byte(m.Policy))
	}
	if managed == "" {
		return inline
	}
	return inline + policySeparator + managed
}

// IsRoleOf reports whether specHash is one of credentials for the role that d requests,
// under whatever session policy.
func (d Desired) IsRoleOf(specHash string) bool {
	hash, _, _ := strings.Cut(specHash, policySeparator)
	return hash == d.RoleHash()
}

// Covers reports whether specHash is one of credentials that were issued under
// sessionPolicy, "" for none. Whoever changes or removes a policy that is stored beside
// its hash is noticed.
func Covers(specHash, sessionPolicy string) bool {
	_, suffix, _ := strings.Cut(specHash, policySeparator)
	return suffix == strings.TrimPrefix(policySuffix(sessionPolicy), policySeparator)
}

const policySeparator = "-"

func policySuffix(sessionPolicy string) string {
	if sessionPolicy == "" {
		return ""
	}
	return policySeparator + digest([]byte(sessionPolicy))
}

func digest(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// LastGood returns a copy of d that requests the role, session duration, session policy
// and spec hash for which credentials were last issued. A managed role is used as an
// existing one: it is neither created nor changed.
func (d Desired) LastGood(role RoleReference, session time.Duration, sessionPolicy, hash string) Desired {
	d.Role, d.SessionDuration, d.SessionPolicy, d.pinnedHash = role, session, sessionPolicy, hash
	d.Managed = nil
	return d
}

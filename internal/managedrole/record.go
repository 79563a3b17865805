package managedrole

import (
	"cmp"
	"time"

	"kube-aws-iam-controller/internal/identity"
)

// record is what is remembered of the role of one identity. The zero value means that
// nothing is known.
type record struct {
	// ensured says that this process created the role, or made it match.
	ensured bool
	// role is what was ensured; its ID is "" once it is known to be gone.
	role identity.Role
	// hash is what the role was ensured for, "" if the role is incomplete.
	hash string
	// changedAt is when the role was created or changed. IAM shows that, and STS considers
	// it, only after some seconds. See
	// https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency.
	changedAt time.Time

	// inspectAt is when to inspect the role, the zero Time if that is not planned yet.
	// suspect says that it differed the last time, inspectFailed that it could not be
	// inspected.
	inspectAt              time.Time
	suspect, inspectFailed bool
	// admitted says that the inspection is due and it is its turn, postponedTo when there
	// may be another turn.
	admitted    bool
	postponedTo time.Time

	// used is when the role was last used, as far as known, and usedID its unique ID then.
	used   identity.RoleUse
	usedID string

	// hinted is the hash of the policies that were last examined for hints.
	hinted string

	// outdatedAt is when its trust policy was last reported as outdated.
	outdatedAt time.Time
	// orphanID is its unique ID according to a sweep that found no owner.
	orphanID string
}

// changedWithin reports whether the role is known to have changed less than d ago.
func (r record) changedWithin(now time.Time, d time.Duration) bool {
	return r.ensured && now.Sub(r.changedAt) < d
}

func (m *Manager) record(key identity.Key) record {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.records[key]
}

func (m *Manager) update(key identity.Key, change func(*record)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	known := m.records[key]
	change(&known)
	m.records[key] = known
}

func (m *Manager) remember(want identity.Desired, role identity.Role, finished bool) {
	m.update(want.Key, func(r *record) {
		r.ensured, r.role, r.hash, r.changedAt = true, role, "", role.Since
		if finished {
			r.hash, r.inspectFailed = want.RoleHash(), false
		}
		if role.Created || len(role.Changed) > 0 {
			r.changedAt = time.Now()
		}
	})
}

// ID returns the remembered unique ID of a role, or otherwise the given one.
func (m *Manager) ID(key identity.Key, otherwise string) string {
	return cmp.Or(m.record(key).role.ID, otherwise)
}

// noteUse remembers what IAM said about the use of a role.
func (m *Manager) noteUse(key identity.Key, role identity.Role) {
	if role.Used.Known {
		m.update(key, func(r *record) { r.used, r.usedID = role.Used, role.ID })
	}
}

// LastUsed returns when the role with a unique ID was last used: according to IAM if it
// told this process, otherwise as recorded.
func (m *Manager) LastUsed(key identity.Key, id string, recorded identity.RoleUse) identity.RoleUse {
	switch r := m.record(key); {
	case id == "":
		return identity.RoleUse{} // no managed role
	case r.usedID == id:
		return r.used
	}
	return recorded
}

// Recent returns the role if it was ensured for want a short while ago, so that IAM
// need not be asked again.
func (m *Manager) Recent(want identity.Desired) (identity.Role, bool) {
	r := m.record(want.Key)
	return r.role, r.hash == want.RoleHash() && r.changedWithin(time.Now(), m.ReadyTimeout)
}

// Ensured reports whether this process ensured a role of the identity.
func (m *Manager) Ensured(key identity.Key) bool { return m.record(key).ensured }

// Settling returns when to retry what failed for a role that changed so recently that
// IAM and STS may not agree on it yet: after a fifth of the time since then, so that a
// pod waits little longer than IAM takes. It returns false for any other role.
func (m *Manager) Settling(key identity.Key) (retry time.Duration, is bool) {
	r, now := m.record(key), time.Now()
	if !r.changedWithin(now, m.ReadyTimeout) {
		return 0, false
	}
	return max(time.Second, min(now.Sub(r.changedAt)/5, 10*time.Second)), true
}

// unseen returns for how long a role that IAM does not show may exist nevertheless: it
// was created recently, or may have been by the previous leader.
func (m *Manager) unseen(key identity.Key) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	since := m.leadsSince
	if r := m.records[key]; r.ensured && r.changedAt.After(since) {
		since = r.changedAt
	}
	return max(0, m.ReadyTimeout-time.Since(since))
}

package broker

import (
	"sync"
	"time"

	"kube-aws-iam-controller/internal/identity"
)

// freshRoles remembers the roles that this process made or changed: IAM shows
// them, and lets them be assumed, only after some seconds. See
// https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency.
type freshRoles struct {
	// begin is when this replica began to lead, and to remember.
	begin time.Time

	mu sync.Mutex
	m  map[identity.Key]freshRole
}

type freshRole struct {
	identity.Role

	// hash is what it was made for, "" for one that is not finished.
	hash  string
	since time.Time
}

// note remembers a role that was made for want, and whether it is as it should
// be.
func (f *freshRoles) note(want identity.Desired, role identity.Role, finished bool) {
	fresh := freshRole{Role: role, since: role.Since}
	if finished {
		fresh.hash = want.SpecHash()
	}
	if role.Created || len(role.Changed) > 0 {
		fresh.since = time.Now()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.m == nil {
		f.m = map[identity.Key]freshRole{}
	}
	f.m[want.Key] = fresh
}

// disown forgets the id of a role that is gone, but not that there was one of
// late: it may only be out of sight.
func (f *freshRoles) disown(key identity.Key) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if role, known := f.m[key]; known {
		role.ID, role.hash = "", ""
		f.m[key] = role
	}
}

func (f *freshRoles) forget(key identity.Key) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.m, key)
}

func (f *freshRoles) of(key identity.Key) (freshRole, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	role, known := f.m[key]
	return role, known
}

// id returns the unique id of a role, or what is known otherwise.
func (f *freshRoles) id(key identity.Key, otherwise string) string {
	if role, known := f.of(key); known && role.ID != "" {
		return role.ID
	}
	return otherwise
}

// made returns the role that was made for want, if that was of late: it needs
// no second look.
func (f *freshRoles) made(want identity.Desired, now time.Time, limit time.Duration) (identity.Role, bool) {
	role, _ := f.of(want.Key)
	return role.Role, role.hash == want.SpecHash() && f.within(want.Key, now, limit)
}

// unfinished says whether a role was made and could not be filled at once.
func (f *freshRoles) unfinished(key identity.Key) bool {
	role, known := f.of(key)
	return known && role.hash == ""
}

// within says whether a role is known to be that young.
func (f *freshRoles) within(key identity.Key, now time.Time, limit time.Duration) bool {
	role, known := f.of(key)
	return known && now.Sub(role.since) < limit
}

// uncertain returns for how long a role that cannot be seen may yet be there: it
// was made of late, or may have been by the leader before this one.
func (f *freshRoles) uncertain(key identity.Key, now time.Time, limit time.Duration) time.Duration {
	since := f.begin
	if role, known := f.of(key); known && role.since.After(since) {
		since = role.since
	}
	return max(0, limit-now.Sub(since))
}

// patience is how long to wait for a role to become assumable: a part of how
// long it has already taken.
func (f *freshRoles) patience(key identity.Key, now time.Time) time.Duration {
	role, _ := f.of(key)
	return max(time.Second, min(now.Sub(role.since)/2, 10*time.Second))
}

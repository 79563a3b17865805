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
	// begin is when the process began to remember.
	begin time.Time

	mu sync.Mutex
	m  map[identity.Key]freshRole
}

type freshRole struct {
	identity.Role

	hash  string // what it was made for
	since time.Time
}

// note remembers a role that was made for what hash identifies, "" for one that
// is not finished.
func (f *freshRoles) note(key identity.Key, hash string, role identity.Role, since time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.m == nil {
		f.m = map[identity.Key]freshRole{}
	}
	f.m[key] = freshRole{Role: role, hash: hash, since: since}
}

func (f *freshRoles) forget(key identity.Key) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.m, key)
}

// id returns the unique id of a role, or what is known otherwise.
func (f *freshRoles) id(key identity.Key, otherwise string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if role, known := f.m[key]; known {
		return role.ID
	}
	return otherwise
}

// made returns the role that was made for want, if that was of late: it needs
// no second look.
func (f *freshRoles) made(want identity.Desired, now time.Time, limit time.Duration) (identity.Role, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	role, known := f.m[want.Key]
	return role.Role, known && role.hash == want.SpecHash() && now.Sub(role.since) < limit
}

// unfinished says whether a role was made and could not be filled at once.
func (f *freshRoles) unfinished(key identity.Key) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	role, known := f.m[key]
	return known && role.hash == ""
}

// within says whether a role is known to be that young.
func (f *freshRoles) within(key identity.Key, now time.Time, limit time.Duration) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	role, known := f.m[key]
	return known && now.Sub(role.since) < limit
}

// uncertain says whether a role that cannot be seen may yet be there: it was
// made of late, or may have been by the process before this one.
func (f *freshRoles) uncertain(key identity.Key, now time.Time, limit time.Duration) bool {
	return f.within(key, now, limit) || now.Sub(f.begin) < limit
}

// patience is how long to wait for a role to become assumable: a part of how
// long it has already taken.
func (f *freshRoles) patience(key identity.Key, now time.Time) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return max(time.Second, min(now.Sub(f.m[key].since)/2, 10*time.Second))
}

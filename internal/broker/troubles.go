package broker

import (
	"maps"
	"sync"
	"time"

	"kube-aws-iam-controller/internal/identity"
)

// trouble is what is wrong with an identity.
type trouble struct {
	reason, message string
	// invalid says that only the author of the object can mend it.
	invalid bool
	// role says that STS refused the role for what it is like in IAM.
	role bool
	// secret is the name of its Secret.
	secret string
	// said is when people were last told, the zero Time if they were not.
	said time.Time
}

// patience is how long the same trouble is not spoken of again.
const patience = time.Minute

// troubles remembers what is wrong until it is mended. It is only for telling:
// after a restart the first try finds out again.
type troubles struct {
	mu sync.Mutex
	m  map[identity.Key]trouble
	// told outlives what is mended: it may be broken again at once.
	told tellings
}

// note remembers what is wrong, and says whether people have to be told now, or
// how soon, 0 for not again.
func (t *troubles) note(key identity.Key, what trouble) (tell bool, later time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.m == nil {
		t.m = map[identity.Key]trouble{}
	}
	before, was := t.m[key]
	if was && before.reason == what.reason && before.message == what.message && what.said.Sub(before.said) < patience {
		return false, 0
	}
	if later = t.told.spend(key, what.said); later > 0 {
		what.said = time.Time{} // not yet
	}
	t.m[key] = what
	return later == 0, later
}

func (t *troubles) clear(key identity.Key) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.m, key)
}

// all returns what is wrong with whom.
func (t *troubles) all() map[identity.Key]trouble {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.m)
}

func (t *troubles) of(key identity.Key) (trouble, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	what, is := t.m[key]
	return what, is
}

package broker

import (
	"sync"
	"time"

	"kube-aws-iam-controller/internal/identity"
)

// trouble is what is wrong with an identity.
type trouble struct {
	reason, message string
	// invalid says that only the author of the object can mend it.
	invalid bool
	// said is when people were last told.
	said time.Time
}

// patience is how long the same trouble is not spoken of again.
const patience = time.Minute

// troubles remembers what is wrong until it is mended. It is only for telling:
// after a restart the first try finds out again.
type troubles struct {
	mu sync.Mutex
	m  map[identity.Key]trouble
}

// note remembers what is wrong, and says whether people have to be told.
func (t *troubles) note(key identity.Key, what trouble) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.m == nil {
		t.m = map[identity.Key]trouble{}
	}
	before, was := t.m[key]
	if was && before.reason == what.reason && before.message == what.message && what.said.Sub(before.said) < patience {
		return false
	}
	t.m[key] = what
	return true
}

func (t *troubles) clear(key identity.Key) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.m, key)
}

func (t *troubles) of(key identity.Key) (trouble, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	what, is := t.m[key]
	return what, is
}

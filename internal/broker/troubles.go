package broker

import (
	"sync"

	"kube-aws-iam-controller/internal/identity"
)

// trouble is what is wrong with an identity.
type trouble struct{ reason, message string }

// troubles remembers what is wrong until it is mended. It is only for telling:
// after a restart the first try finds out again.
type troubles struct {
	mu sync.Mutex
	m  map[identity.Key]trouble
}

func (t *troubles) note(key identity.Key, what trouble) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.m == nil {
		t.m = map[identity.Key]trouble{}
	}
	t.m[key] = what
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

package queue

import "sync"

// inFlight holds the keys that are being synced, so that a fast and a slow worker
// never sync the same key at once. Among fast workers the work queue ensures this.
// The zero value is ready to use.
type inFlight[K comparable] struct {
	mu   sync.Mutex
	keys map[K]*inFlightKey
}

type inFlightKey struct {
	// wanted says that another worker tried to acquire the key meanwhile.
	wanted   bool
	released chan struct{}
}

// tryAcquire acquires a key if it is free. If it is not, release will tell its
// holder that it was wanted.
func (f *inFlight[K]) tryAcquire(key K) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if held := f.keys[key]; held != nil {
		held.wanted = true
		return false
	}
	f.add(key)
	return true
}

// acquire waits until a key is free and acquires it.
func (f *inFlight[K]) acquire(key K) {
	for {
		f.mu.Lock()
		held := f.keys[key]
		if held == nil {
			f.add(key)
			f.mu.Unlock()
			return
		}
		f.mu.Unlock()
		<-held.released
	}
}

func (f *inFlight[K]) add(key K) {
	if f.keys == nil {
		f.keys = map[K]*inFlightKey{}
	}
	f.keys[key] = &inFlightKey{released: make(chan struct{})}
}

// release releases a key and says whether tryAcquire was called for it meanwhile.
func (f *inFlight[K]) release(key K) (wanted bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	held := f.keys[key]
	delete(f.keys, key)
	close(held.released)
	return held.wanted
}

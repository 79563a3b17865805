package credserver

import (
	"errors"
	"sync"
	"time"
)

// A Store has the newest credentials that could be read.
type Store struct {
	directory string
	// podUID is what containers send, "" where the process was not told.
	podUID string

	mu      sync.Mutex
	current *credentials
	version string
	// failed is why the newest version could not be read, and retry when it is
	// tried again: a file system that is broken is not asked for each request.
	failed error
	retry  time.Time
}

// NewStore returns a store of a directory that a Secret is mounted at, in the
// pod with a UID. Nothing is read before the first request.
func NewStore(directory, podUID string) *Store { return &Store{directory: directory, podUID: podUID} }

// retryAfter is how long after a failed read the next one comes.
const retryAfter = 100 * time.Millisecond

// get returns credentials that have not run out. When a newer version cannot be
// read, those from before serve for as long as they are valid.
func (s *Store) get(now time.Time) (*credentials, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refresh(now)
	switch {
	case s.current != nil && now.Before(s.current.expires):
		return s.current, nil
	case s.failed != nil:
		return nil, s.failed
	default:
		return nil, errors.New("the credentials in the Secret have run out: see the events of the ServiceAccount")
	}
}

// refresh reads the files if they are another version.
func (s *Store) refresh(now time.Time) {
	found, err := version(s.directory)
	switch {
	case err != nil:
		s.failed = err
		return
	case s.failed == nil && s.current != nil && found == s.version,
		s.failed != nil && now.Before(s.retry):
		return
	}
	read, err := load(s.directory)
	if err == nil && s.podUID == "" && len(read.token) == 0 {
		err = errors.New(tokenFile + " is missing or empty, and POD_UID is not set: requests cannot be authenticated")
	}
	if err != nil {
		s.failed, s.retry = err, now.Add(retryAfter)
		return
	}
	s.current, s.version, s.failed = read, found, nil
}

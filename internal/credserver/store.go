package credserver

import (
	"errors"
	"sync"
	"time"
)

// A Store caches the newest readable credentials of a mounted Secret.
type Store struct {
	directory string
	// podUID authorizes requests. "" means unknown.
	podUID string

	mu      sync.Mutex
	current *Credentials
	version string
	// failed is the error of the last read, nil after a success. No read is attempted
	// before retry, so that requests do not add load to a failing file system.
	failed error
	retry  time.Time
}

// NewStore returns a Store for the Secret that is mounted at directory. It reads nothing
// before the first request.
func NewStore(directory, podUID string) *Store { return &Store{directory: directory, podUID: podUID} }

// retryAfter is the delay between a failed read and the next one.
const retryAfter = 100 * time.Millisecond

// get returns valid credentials. If a newer version cannot be read, it returns the previous
// ones until they expire.
func (s *Store) get(now time.Time) (*Credentials, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refresh(now)
	switch {
	case s.current != nil && now.Before(s.current.expires):
		return s.current, nil
	case s.failed != nil:
		return nil, s.failed
	default:
		return nil, errors.New("the credentials in the Secret have expired: see the events of the ServiceAccount")
	}
}

// refresh reads the files if their version has changed.
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

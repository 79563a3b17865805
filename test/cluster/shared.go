package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"sync"
	"testing"
)

// Shared is one control plane for all tests of a package, started by the first that asks for it unless the packages of a
// run share one: then it is that. Its zero value is ready to use. A package whose options differ has one of its own.
type Shared struct {
	Options Options
	// Apart has the package use a control plane of its own in any case, since it leaves behind what others would meet.
	Apart bool

	once    sync.Once
	cluster *Cluster
	err     error
	unlock  func() error
}

// Run is the body of TestMain: it runs the tests, stops the control plane and returns the exit code. What has to be
// built is built before the tests, whose time limit does not have to include it. Packages that share a control plane take
// turns, since they install what concerns all of it; that waiting is not within the time limit either.
func (s *Shared) Run(m *testing.M) int {
	if s.Options.Progress == nil {
		s.Options.Progress = os.Stderr
	}
	if err := s.prepare(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if err := s.end(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func (s *Shared) prepare(ctx context.Context) error {
	if _, err := Binaries(ctx, s.Options.Progress); err != nil || s.dir() == "" {
		return err
	}
	var err error
	s.unlock, err = lockFile(ctx, lockOf(s.dir()), nil)
	return err
}

func (s *Shared) end(ctx context.Context) (err error) {
	if s.cluster != nil {
		if s.dir() != "" {
			err = s.cluster.leave(ctx)
		}
		err = errors.Join(err, s.cluster.Stop())
	}
	if s.unlock != nil {
		err = errors.Join(err, s.unlock())
	}
	return err
}

// dir returns the directory of the control plane that packages share, "" for none or where this one is to be different.
func (s *Shared) dir() string {
	options := s.Options
	options.Progress = nil
	if s.Apart || !reflect.DeepEqual(options, Options{}) {
		return ""
	}
	return os.Getenv(DirVariable)
}

// Get returns the control plane, and starts it for the first test.
func (s *Shared) Get(tb testing.TB) *Cluster {
	tb.Helper()
	s.once.Do(func() {
		// Not the test's context: the control plane serves the tests that follow, too.
		if dir := s.dir(); dir != "" {
			s.cluster, s.err = attach(context.Background(), dir, s.Options)
		} else {
			s.cluster, s.err = Start(context.Background(), s.Options)
		}
	})
	if s.err != nil {
		tb.Fatalf("start the control plane: %v", s.err)
	}
	return s.cluster
}

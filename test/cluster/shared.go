package cluster

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
)

// Shared is one control plane for all tests of a package, started by the first that asks for it. Its zero value is
// ready to use.
type Shared struct {
	Options Options

	once    sync.Once
	cluster *Cluster
	err     error
}

// Run is the body of TestMain: it runs the tests, stops the control plane and returns the exit code. What has to be
// built is built before the tests, whose time limit does not have to include it.
func (s *Shared) Run(m *testing.M) int {
	if s.Options.Progress == nil {
		s.Options.Progress = os.Stderr
	}
	if _, err := Binaries(context.Background(), s.Options.Progress); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if s.cluster == nil {
		return code
	}
	if err := s.cluster.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// Get returns the control plane, and starts it for the first test.
func (s *Shared) Get(tb testing.TB) *Cluster {
	tb.Helper()
	s.once.Do(func() {
		// Not the test's context: the control plane serves the tests that follow, too.
		s.cluster, s.err = Start(context.Background(), s.Options)
	})
	if s.err != nil {
		tb.Fatalf("start the control plane: %v", s.err)
	}
	return s.cluster
}

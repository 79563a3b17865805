package cluster

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
)

// Ports are taken from below the range that systems give to outgoing connections. Within it, a client that retries
// while the server is down can be given the server's own port, connect to itself, and keep the server from coming back.
const (
	lowestPort = 20000
	portCount  = 10000
	portTries  = 100
)

// claims are the locks on the ports that this process was given, by their files. They last as long as the process:
// between the moment a port is chosen and the moment a server listens on it, and while a server restarts, nobody
// listens there, and another process that looks for a port would be given the same.
var claims struct {
	sync.Mutex
	files []*os.File
}

// FreePort returns a loopback port that nobody listens on, and that no process, this one included, is given again
// before this one has ended.
func FreePort(ctx context.Context) (int, error) {
	for range portTries {
		port := lowestPort + rand.IntN(portCount) //nolint:gosec // nothing secret about a port
		if ours, err := claim(filepath.Join(os.TempDir(), fmt.Sprintf("test-ports-%d", os.Getuid())), port); err != nil || !ours {
			if err != nil {
				return 0, fmt.Errorf("claim port %d: %w", port, err)
			}
			continue
		}
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", loopback(port))
		if err != nil {
			continue
		}
		return port, listener.Close()
	}
	return 0, errors.New("no free port on 127.0.0.1")
}

// FreePorts returns different free ports.
func FreePorts(ctx context.Context, count int) ([]int, error) {
	ports := make([]int, count)
	for i := range ports {
		var err error
		if ports[i], err = FreePort(ctx); err != nil {
			return nil, fmt.Errorf("find %d ports: %w", count, err)
		}
	}
	return ports, nil
}

// claim reports whether this process alone holds the lock on a port from now on. The locks are files in dir; the
// kernel releases them when the process ends.
func claim(dir string, port int) (bool, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil { //nolint:gosec // a directory of the tests
		return false, err
	}
	file, err := os.OpenFile(filepath.Join(dir, strconv.Itoa(port)), os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // a number
	if err != nil {
		return false, err
	}
	if err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		err = errors.Join(err, file.Close())
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return false, nil
		}
		return false, err
	}
	claims.Lock()
	defer claims.Unlock()
	claims.files = append(claims.files, file) // a file that is collected as garbage would be closed
	return true, nil
}

func loopback(port int) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}

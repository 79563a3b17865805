package cluster

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// Ports are taken from below the range that systems give to outgoing connections. Within it, a client that retries
// while the server is down can be given the server's own port, connect to itself, and keep the server from coming back.
const (
	lowestPort = 20000
	portCount  = 10000
	portTries  = 100
)

// freePort returns a loopback port that nobody listens on right now.
func freePort(ctx context.Context) (int, error) {
	for range portTries {
		port := lowestPort + rand.IntN(portCount) //nolint:gosec // nothing secret about a port
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", loopback(port))
		if err != nil {
			continue
		}
		return port, listener.Close()
	}
	return 0, errors.New("no free port on 127.0.0.1")
}

// freePorts returns different free ports.
func freePorts(ctx context.Context, count int) ([]int, error) {
	seen := map[int]bool{}
	var ports []int
	for len(ports) < count {
		port, err := freePort(ctx)
		if err != nil {
			return nil, fmt.Errorf("find %d ports: %w", count, err)
		}
		if !seen[port] {
			seen[port] = true
			ports = append(ports, port)
		}
	}
	return ports, nil
}

func loopback(port int) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}

// FreePort returns a loopback port that nobody listens on right now.
func FreePort(ctx context.Context) (int, error) { return freePort(ctx) }

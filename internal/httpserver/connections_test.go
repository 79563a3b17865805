package httpserver

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// callers dials a server with few connections, as from an address of loopback.
type callers struct {
	t       *testing.T
	address string
}

func newCallers(t *testing.T, perAddress, total int) *callers {
	t.Helper()
	connections := NewConnections(perAddress, total, 2)
	server, err := Listen(t.Context(), "127.0.0.1:0", Options{
		Logger: log.NewNopLogger(), Connections: connections,
		Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/known" {
				connections.Known(r.Context())
			}
		}),
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		assert.NoError(t, <-done)
		assert.Eventually(t, func() bool {
			connections.mu.Lock()
			defer connections.mu.Unlock()
			return len(connections.open.of) == 0 && len(connections.parked.of) == 0
		}, 20*time.Second, 10*time.Millisecond)
	})
	return &callers{t: t, address: server.Addr().String()}
}

func (c *callers) dial(from string) net.Conn {
	c.t.Helper()
	conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).DialContext(c.t.Context(), "tcp", c.address)
	require.NoError(c.t, err)
	c.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// answered says whether a request over a connection is.
func (c *callers) answered(conn net.Conn, path string) bool {
	c.t.Helper()
	require.NoError(c.t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	if _, err := io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		return false
	}
	return c.answers(conn, 20*time.Second)
}

// answers says whether anything comes in time. A request may have been sent before.
func (c *callers) answers(conn net.Conn, within time.Duration) bool {
	c.t.Helper()
	require.NoError(c.t, conn.SetDeadline(time.Now().Add(within)))
	n, err := conn.Read(make([]byte, 1<<10))
	return n > 0 && err == nil
}

func TestAnAddressHasOnlySoManyConnections(t *testing.T) {
	c := newCallers(t, 2, 100)
	first, second := c.dial("127.0.0.2"), c.dial("127.0.0.2")
	require.True(t, c.answered(first, "/"))
	require.True(t, c.answered(second, "/"))
	third, fourth := c.dial("127.0.0.2"), c.dial("127.0.0.2")
	_, err := io.WriteString(third, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	assert.False(t, c.answers(third, time.Second/2))
	assert.True(t, c.answered(c.dial("127.0.0.3"), "/"), "another address")
	require.NoError(t, first.Close())
	assert.True(t, c.answers(third, 20*time.Second), "it was waiting")
	assert.True(t, c.answered(second, "/known"))
	assert.True(t, c.answered(fourth, "/"), "of who is known they do not count")
	assert.True(t, c.answered(second, "/"))
}

func TestOnlySoManyConnectionsWait(t *testing.T) {
	c := newCallers(t, 1, 100)
	first, second := c.dial("127.0.0.2"), c.dial("127.0.0.3")
	require.True(t, c.answered(first, "/"))
	require.True(t, c.answered(second, "/"))
	waiting := []net.Conn{c.dial("127.0.0.2"), c.dial("127.0.0.2"), c.dial("127.0.0.3")}
	_, err := waiting[0].Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF, "the oldest of who has the most")
	require.NoError(t, first.Close())
	require.NoError(t, second.Close())
	assert.True(t, c.answered(waiting[1], "/"))
	assert.True(t, c.answered(waiting[2], "/"))
}

func TestWhoHasTheMostConnectionsMakesRoom(t *testing.T) {
	c := newCallers(t, 3, 4)
	known, few := c.dial("127.0.0.2"), c.dial("127.0.0.3")
	require.True(t, c.answered(known, "/known"))
	require.True(t, c.answered(few, "/"))
	many := []net.Conn{c.dial("127.0.0.4"), c.dial("127.0.0.4"), c.dial("127.0.0.4")}
	for _, conn := range many {
		require.True(t, c.answered(conn, "/"))
	}
	assert.True(t, c.answered(c.dial("127.0.0.5"), "/"))
	assert.False(t, c.answered(many[0], "/"))
	for _, conn := range append(many[1:], known, few) {
		assert.True(t, c.answered(conn, "/"))
	}
}

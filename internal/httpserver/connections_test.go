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

// crowd dials a server with few connections, as from an address of loopback.
type crowd struct {
	t       *testing.T
	address string
}

func newCrowd(t *testing.T, perAddress, total int) *crowd {
	t.Helper()
	connections := NewConnections(perAddress, total)
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
		assert.Zero(t, connections.count)
		assert.Empty(t, connections.open)
	})
	return &crowd{t: t, address: server.Addr().String()}
}

func (c *crowd) dial(from string) net.Conn {
	c.t.Helper()
	conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).DialContext(c.t.Context(), "tcp", c.address)
	require.NoError(c.t, err)
	c.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// answered says whether a request over a connection is.
func (c *crowd) answered(conn net.Conn, path string) bool {
	c.t.Helper()
	require.NoError(c.t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	if _, err := io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		return false
	}
	n, err := conn.Read(make([]byte, 1<<10))
	return n > 0 && err == nil
}

func TestAnAddressHasOnlySoManyConnections(t *testing.T) {
	c := newCrowd(t, 2, 100)
	first, second := c.dial("127.0.0.2"), c.dial("127.0.0.2")
	require.True(t, c.answered(first, "/"))
	require.True(t, c.answered(second, "/"))
	assert.False(t, c.answered(c.dial("127.0.0.2"), "/"))
	assert.True(t, c.answered(c.dial("127.0.0.3"), "/"))
	assert.True(t, c.answered(first, "/known"))
	assert.True(t, c.answered(c.dial("127.0.0.2"), "/"), "of who is known they do not count")
}

func TestWhoHasTheMostConnectionsMakesRoom(t *testing.T) {
	c := newCrowd(t, 3, 4)
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

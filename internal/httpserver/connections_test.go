package httpserver

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-kit/log"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// testServer is a server with limits, and dials it from addresses of loopback.
type testServer struct {
	t       *testing.T
	address string
}

func newTestServer(t *testing.T, perAddress, total int) *testServer {
	t.Helper()
	connections := NewConnections(Limits{PerAddress: perAddress, Total: total, Waiting: 2})
	server, err := Listen(t.Context(), "127.0.0.1:0", Options{
		Logger: log.NewNopLogger(), Connections: connections,
		Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/trusted" {
				connections.Trust(r.Context())
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
			return len(connections.served.byAddress) == 0 && len(connections.waiting.byAddress) == 0
		}, 20*time.Second, 10*time.Millisecond)
	})
	return &testServer{t: t, address: server.Addr().String()}
}

func (c *testServer) dial(from string) net.Conn {
	c.t.Helper()
	conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).DialContext(c.t.Context(), "tcp", c.address)
	require.NoError(c.t, err)
	c.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// answered sends a request over a connection and says whether it is answered.
func (c *testServer) answered(conn net.Conn, path string) bool {
	c.t.Helper()
	require.NoError(c.t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	if _, err := io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		return false
	}
	return c.answers(conn, 20*time.Second)
}

// answers says whether an answer arrives in time.
func (c *testServer) answers(conn net.Conn, within time.Duration) bool {
	c.t.Helper()
	require.NoError(c.t, conn.SetDeadline(time.Now().Add(within)))
	n, err := conn.Read(make([]byte, 1<<10))
	return n > 0 && err == nil
}

func TestConnectionsPerAddressAreLimited(t *testing.T) {
	c := newTestServer(t, 2, 100)
	first, second := c.dial("127.0.0.2"), c.dial("127.0.0.2")
	require.True(t, c.answered(first, "/"))
	require.True(t, c.answered(second, "/"))
	third, fourth := c.dial("127.0.0.2"), c.dial("127.0.0.2")
	_, err := io.WriteString(third, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	assert.False(t, c.answers(third, time.Second/2))
	assert.True(t, c.answered(c.dial("127.0.0.3"), "/"), "another address")
	require.NoError(t, first.Close())
	assert.True(t, c.answers(third, 20*time.Second), "a waiting connection is served next")
	assert.True(t, c.answered(second, "/trusted"))
	assert.True(t, c.answered(fourth, "/"), "a trusted connection does not count")
	assert.True(t, c.answered(second, "/"))
}

func TestWaitingConnectionsAreLimited(t *testing.T) {
	c := newTestServer(t, 1, 100)
	first, second := c.dial("127.0.0.2"), c.dial("127.0.0.3")
	require.True(t, c.answered(first, "/"))
	require.True(t, c.answered(second, "/"))
	waiting := []net.Conn{c.dial("127.0.0.2"), c.dial("127.0.0.2"), c.dial("127.0.0.3")}
	_, err := waiting[0].Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF, "the oldest of the address with the most")
	require.NoError(t, first.Close())
	require.NoError(t, second.Close())
	assert.True(t, c.answered(waiting[1], "/"))
	assert.True(t, c.answered(waiting[2], "/"))
}

func TestAddressWithTheMostConnectionsLosesItsOldest(t *testing.T) {
	c := newTestServer(t, 3, 4)
	trusted, few := c.dial("127.0.0.2"), c.dial("127.0.0.3")
	require.True(t, c.answered(trusted, "/trusted"))
	require.True(t, c.answered(few, "/"))
	many := []net.Conn{c.dial("127.0.0.4"), c.dial("127.0.0.4"), c.dial("127.0.0.4")}
	for _, conn := range many {
		require.True(t, c.answered(conn, "/"))
	}
	assert.True(t, c.answered(c.dial("127.0.0.5"), "/"))
	assert.False(t, c.answered(many[0], "/"))
	for _, conn := range append(many[1:], trusted, few) {
		assert.True(t, c.answered(conn, "/"))
	}
}

func TestAConnectionIsTrustedUnderItsTLS(t *testing.T) {
	c := NewConnections(Limits{PerAddress: 1, Total: 1})
	c.listener = &limitedListener{connections: c, wake: make(chan struct{}, 1)}
	ours, theirs := net.Pipe()
	defer theirs.Close()
	conn := c.newConn(ours)
	defer conn.Close()
	c.add(conn)
	require.Equal(t, 1, c.served.count)
	c.Trust(withConn(t.Context(), tls.Server(conn, &tls.Config{MinVersion: tls.VersionTLS12})))
	assert.Zero(t, c.served.count)
}

func TestWaitingConnectionsAreClosedAtTheEnd(t *testing.T) {
	c := NewConnections(Limits{PerAddress: 1, Total: 1, Waiting: 1})
	inner, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	listener := c.limit(inner)
	dial := &testServer{t: t, address: inner.Addr().String()}
	dial.dial("127.0.0.1")
	served, err := listener.Accept()
	require.NoError(t, err)
	defer served.Close()
	waiting := dial.dial("127.0.0.1")
	require.Eventually(t, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.waiting.count == 1
	}, 20*time.Second, time.Millisecond)
	require.NoError(t, listener.Close())
	require.NoError(t, waiting.SetDeadline(time.Now().Add(20*time.Second)))
	_, err = waiting.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
	_, err = listener.Accept()
	assert.ErrorIs(t, err, net.ErrClosed)
}

// pipes is a listener of connections in memory. An error in their place is returned
// instead, and without any more it is closed.
type pipes struct{ next chan any }

func (p *pipes) Accept() (net.Conn, error) {
	switch next := (<-p.next).(type) {
	case net.Conn:
		return next, nil
	case error:
		return nil, next
	default:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) Close() error { return nil }

func TestAFailedAcceptIsToldToTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failed := errors.New("too many open files")
		p := &pipes{next: make(chan any, 1)}
		listener := NewConnections(Limits{}).limit(p)
		p.next <- failed
		close(p.next)
		var errs []error
		go func() {
			for range 2 {
				_, err := listener.Accept()
				errs = append(errs, err)
			}
		}()
		synctest.Wait()
		assert.Equal(t, []error{failed, net.ErrClosed}, errs)
	})
}

func TestRequestsPerAddressAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		h := LimitPerAddress(1, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
		ask := func(from string) int {
			r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
			r.RemoteAddr = from
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			return w.Code
		}
		answers := make(chan int, 2)
		go func() { answers <- ask("10.0.0.1:1") }()
		go func() { answers <- ask("10.0.0.2:1") }()
		synctest.Wait()
		assert.Equal(t, http.StatusTooManyRequests, ask("10.0.0.1:2"))
		close(release)
		assert.Equal(t, http.StatusOK, <-answers)
		assert.Equal(t, http.StatusOK, <-answers, "another address")
		assert.Equal(t, http.StatusOK, ask("10.0.0.1:3"), "and the first one's next")
	})
}

package httpserver

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// buffer is a log that is safe for concurrent use.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// serve serves a handler until the test ends. It returns the address and the log.
func serve(t *testing.T, handler http.HandlerFunc, config *tls.Config) (string, *buffer) {
	t.Helper()
	logged := &buffer{}
	server, err := Listen(t.Context(), "127.0.0.1:0", Options{Handler: handler, TLS: config, Logger: log.NewLogfmtLogger(logged)})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx) }()
	t.Cleanup(func() { cancel(); assert.NoError(t, <-done) })
	return server.Addr().String(), logged
}

func TestFailedConnectionsDoNotFloodTheLog(t *testing.T) {
	address, logged := serve(t, nil, &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		return nil, errors.New("no certificate yet")
	}})
	const clients = 20
	for range clients {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
		require.NoError(t, err)
		_, err = conn.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
		require.NoError(t, err)
		require.NoError(t, conn.Close())
	}
	require.Eventually(t, func() bool { return strings.Count(logged.String(), "level=debug") == clients }, 20*time.Second, 10*time.Millisecond)
	assert.Equal(t, 1, strings.Count(logged.String(), "level=warn"), logged.String())
	assert.Contains(t, logged.String(), "TLS handshake error")
	for line := range strings.Lines(logged.String()) {
		assert.Regexp(t, `^level=(debug|warn) msg=`, line)
	}
}

func TestFailedConnectionsAreWarnedAboutOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logged := &buffer{}
		l := newErrorLog(level.NewFilter(log.NewLogfmtLogger(logged), level.AllowInfo()))
		l.Print("http: TLS handshake error from 10.0.0.1:1: EOF")
		for range 41 {
			l.Print("http: TLS handshake error from 10.0.0.1:1: " + strings.Repeat("x", 100_000))
		}
		time.Sleep(warnInterval)
		l.Print("http: TLS handshake error from 10.0.0.2:1: EOF")
		lines := strings.Split(strings.TrimSpace(logged.String()), "\n")
		require.Len(t, lines, 2)
		assert.Contains(t, lines[0], `last="http: TLS handshake error from 10.0.0.1:1: EOF" count=1`)
		assert.Contains(t, lines[1], `10.0.0.2:1: EOF" count=42`)
	})
}

func TestPanicIsLoggedWithoutItsValue(t *testing.T) {
	address, logged := serve(t, func(http.ResponseWriter, *http.Request) { panic("hunter2\nhunter2") }, nil)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address, http.NoBody)
	require.NoError(t, err)
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err == nil {
		require.NoError(t, resp.Body.Close())
	}
	require.Error(t, err)
	require.Eventually(t, func() bool { return strings.Contains(logged.String(), "a handler panicked") }, 20*time.Second, 10*time.Millisecond)
	assert.Contains(t, logged.String(), "level=error")
	assert.Contains(t, logged.String(), "errorlog_test.go", "the stack trace")
	assert.NotContains(t, logged.String(), "hunter2")
}

package httpserver

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
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

func TestLogLinesAreShort(t *testing.T) {
	logged := &buffer{}
	l := newErrorLog(log.NewLogfmtLogger(logged))
	l.Print("http: TLS handshake error: " + strings.Repeat("x", 100_000))
	for line := range strings.Lines(logged.String()) {
		assert.Contains(t, line, "xxx")
		assert.Less(t, len(line), maxLine+200)
	}
	l.Print("http: panic serving 10.0.0.1:1: hunter2\ngoroutine 1 [running]:\n" + strings.Repeat("y", 100_000))
	assert.Contains(t, logged.String(), "yyy")
	assert.Less(t, len(logged.String()), maxStack+4*maxLine)
}

func TestLongHeadersAreRefused(t *testing.T) {
	address, _ := serve(t, nil, nil)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address, http.NoBody)
	require.NoError(t, err)
	req.Header.Set("X", strings.Repeat("x", 32<<10))
	resp, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, http.StatusRequestHeaderFieldsTooLarge, resp.StatusCode)
}

func TestServeEndsAfterTheRequestsThatAreServed(t *testing.T) {
	started, end := make(chan struct{}), make(chan struct{})
	var served atomic.Bool
	server, err := Listen(t.Context(), "127.0.0.1:0", Options{ShutdownGrace: 20 * time.Second, Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(started)
		<-end
		served.Store(true)
	})})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx) }()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", server.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	<-started
	cancel()
	time.AfterFunc(100*time.Millisecond, func() { close(end) })
	require.NoError(t, <-done)
	assert.True(t, served.Load())
}

// TestNobodyHoldsAConnectionForever has clients that send only a part, or nothing more.
func TestNobodyHoldsAConnectionForever(t *testing.T) {
	for title, c := range map[string]struct {
		sends string
		idle  time.Duration
		after time.Duration
	}{
		"half the headers":     {"GET / HTTP/1.1\r\n", 0, 5 * time.Second},
		"half the body":        {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx", 0, 10 * time.Second},
		"nothing more":         {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 0, 2 * time.Minute},
		"nothing more, set so": {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", time.Minute, time.Minute},
	} {
		t.Run(title, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, err := Listen(t.Context(), "127.0.0.1:0", Options{IdleTimeout: c.idle, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					_, _ = io.Copy(io.Discard, r.Body)
				})})
				require.NoError(t, err)
				require.NoError(t, server.listener.Close())
				p := &pipes{next: make(chan any, 1)}
				server.listener = p
				ours, theirs := net.Pipe()
				p.next <- theirs
				done := make(chan error, 1)
				go func() { done <- server.Serve(t.Context()) }()
				start := time.Now()
				_, err = io.WriteString(ours, c.sends)
				require.NoError(t, err)
				require.NoError(t, ours.SetReadDeadline(start.Add(time.Hour)))
				_, err = io.Copy(io.Discard, ours)
				require.NoError(t, err, "closed by the server")
				assert.InDelta(t, c.after, time.Since(start), float64(time.Second))
				close(p.next)
				assert.ErrorIs(t, <-done, net.ErrClosed)
			})
		})
	}
}

func TestStreamsOfAConnectionAreLimited(t *testing.T) {
	certified := httptest.NewTLSServer(nil)
	defer certified.Close()
	address, _ := serve(t, nil, &tls.Config{MinVersion: tls.VersionTLS12, Certificates: certified.TLS.Certificates})
	dialer := &tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}}}
	conn, err := dialer.DialContext(t.Context(), "tcp", address)
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00") // with settings, which are empty
	require.NoError(t, err)
	header := make([]byte, 9)
	_, err = io.ReadFull(conn, header)
	require.NoError(t, err)
	require.EqualValues(t, 4, header[3], "its settings come first")
	values := make([]byte, header[2])
	_, err = io.ReadFull(conn, values)
	require.NoError(t, err)
	settings := map[uint16]uint32{}
	for ; len(values) > 0; values = values[6:] {
		settings[binary.BigEndian.Uint16(values)] = binary.BigEndian.Uint32(values[2:])
	}
	assert.EqualValues(t, maxStreams, settings[3], "streams at once")
	assert.EqualValues(t, streamBuffer, settings[4], "what may be sent unasked over each")
}

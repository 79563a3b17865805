// Package httpserver has the HTTP server that all endpoints of the controller use. It
// binds its address before it serves, limits connections, sizes and durations, and
// shuts down gracefully.
package httpserver

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/go-kit/log"
)

// A Server serves one handler.
type Server struct {
	listener net.Listener
	server   *http.Server
	grace    time.Duration
}

// Options are the options of Listen.
type Options struct {
	Handler http.Handler
	// TLS is nil for plain HTTP.
	TLS *tls.Config
	// ShutdownGrace is how long requests may go on after shutdown has begun.
	ShutdownGrace time.Duration
	// Logger logs connections that fail; nil for no logging.
	Logger log.Logger
	// Connections limits the connections; nil for no limit.
	Connections *Connections
	// IdleTimeout is how long a connection may wait for its next request. 0 is two
	// minutes, longer than API servers keep an idle connection.
	IdleTimeout time.Duration
}

// Limits of an HTTP/2 connection. A body that is not read yet is kept in memory up to
// the size of its stream's buffer. The connection's buffer is as large as those of all
// streams together, so that no stream waits for the body of another.
const (
	maxStreams   = 64
	streamBuffer = 16 << 10
)

// Listen binds the address, so that it fails at startup if the address is taken.
func Listen(ctx context.Context, address string, opts Options) (*Server, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	server := &http.Server{
		Handler:           opts.Handler,
		TLSConfig:         opts.TLS,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       cmp.Or(opts.IdleTimeout, 2*time.Minute),
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          newErrorLog(opts.Logger),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          maxStreams,
			MaxReceiveBufferPerStream:     streamBuffer,
			MaxReceiveBufferPerConnection: maxStreams * streamBuffer,
		},
	}
	if opts.Connections != nil {
		listener = opts.Connections.limit(listener)
		server.ConnContext = withConn
	}
	return &Server{listener: listener, grace: opts.ShutdownGrace, server: server}, nil
}

// Addr returns the address the server listens on.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Serve serves until ctx is done and shutdown has ended.
func (s *Server) Serve(ctx context.Context) error {
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		graceful, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.grace)
		defer cancel()
		_ = s.server.Shutdown(graceful) // what is left after that ends with the process
		close(stopped)
	})
	defer stop()
	serve := s.server.Serve
	if s.server.TLSConfig != nil {
		serve = func(l net.Listener) error { return s.server.ServeTLS(l, "", "") }
	}
	if err := serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve %s: %w", s.listener.Addr(), err)
	}
	<-stopped
	return nil
}

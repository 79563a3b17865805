// Package httpserver is the one HTTP server of this process: bound before
// anything starts, bounded in time and size, and ended in good order.
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
	linger   time.Duration
}

// Options say how to serve.
type Options struct {
	Handler http.Handler
	// TLS is nil for plain HTTP.
	TLS *tls.Config
	// Linger is how long a request under way may go on at the end.
	Linger time.Duration
	// Logger is told of connections that fail; nil for nobody.
	Logger log.Logger
	// Connections bound how many there are, nil for no bound.
	Connections *Connections
	// Idle is how long a connection may wait for its next request; 0 for two minutes,
	// longer than API servers keep one that is not used.
	Idle time.Duration
}

// What a connection over HTTP/2 may have under way. A body that nobody reads yet
// is in memory as far as its stream's buffer goes; all streams together have as
// much, so that none waits for the body of another.
const (
	maxStreams   = 64
	streamBuffer = 16 << 10
)

// Listen binds the address, so that one that is taken is an error at start-up.
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
		IdleTimeout:       cmp.Or(opts.Idle, 2*time.Minute),
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          newErrorLog(opts.Logger),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          maxStreams,
			MaxReceiveBufferPerStream:     streamBuffer,
			MaxReceiveBufferPerConnection: maxStreams * streamBuffer,
		},
	}
	if opts.Connections != nil {
		listener = opts.Connections.bound(listener)
		server.ConnContext = remember
	}
	return &Server{listener: listener, linger: opts.Linger, server: server}, nil
}

// Addr returns the address that is listened on.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Serve serves until ctx is done.
func (s *Server) Serve(ctx context.Context) error {
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		brief, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.linger)
		defer cancel()
		_ = s.server.Shutdown(brief) // what is left after that ends with the process
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

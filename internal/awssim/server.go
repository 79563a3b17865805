package awssim

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"
)

// A Server serves a simulation over HTTP.
type Server struct {
	*Sim

	server   *http.Server
	listener net.Listener
}

// Start serves a simulation on a free port of 127.0.0.1 until Close.
func Start(ctx context.Context, s *Sim) (*Server, error) { return StartOn(ctx, s, "127.0.0.1") }

// StartOn is Start with an explicit address.
func StartOn(ctx context.Context, s *Sim, address string) (*Server, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", net.JoinHostPort(address, "0"))
	if err != nil {
		return nil, fmt.Errorf("listen for the simulation: %w", err)
	}
	server := &Server{Sim: s, listener: listener, server: &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}}
	go func() { _ = server.server.Serve(listener) }() // ends with Close
	return server, nil
}

// URL returns the value for AWS_ENDPOINT_URL_STS and AWS_ENDPOINT_URL_IAM.
func (s *Server) URL() string { return "http://" + s.listener.Addr().String() }

// Close stops the server and closes all connections.
func (s *Server) Close() { _ = s.server.Close() }

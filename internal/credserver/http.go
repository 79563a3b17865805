package credserver

import (
	"net/http"
	"time"
)

// requestTimeout bounds a request. Requests are answered from memory, local files, or a
// single call.
const requestTimeout = 5 * time.Second

// NewServer returns a server with limits, which does not listen yet.
func NewServer(handler http.Handler) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: requestTimeout,
		ReadTimeout:       requestTimeout,
		WriteTimeout:      requestTimeout,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
}

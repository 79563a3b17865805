package command

import (
	"fmt"
	"net/http"
)

// UnreachableError is the error of a request that the API server has not answered.
type UnreachableError struct {
	// Server is the address that the kubeconfig names.
	Server string
	Err    error
}

// Error implements error.
func (u *UnreachableError) Error() string {
	return fmt.Sprintf("the API server %s cannot be reached: %v: name another one with --context, --kubeconfig or KUBECONFIG", u.Server, u.Err)
}

// Unwrap returns the cause.
func (u *UnreachableError) Unwrap() error { return u.Err }

// reporting has a transport say which server it is about, and what to do.
func reporting(server string) func(http.RoundTripper) http.RoundTripper {
	return func(next http.RoundTripper) http.RoundTripper { return &reporter{server, next} }
}

type reporter struct {
	server string
	next   http.RoundTripper
}

// RoundTrip implements http.RoundTripper. Requests that were given up are not the server's
// fault.
func (r *reporter) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := r.next.RoundTrip(request)
	if err != nil && request.Context().Err() == nil {
		err = &UnreachableError{Server: r.server, Err: err}
	}
	return response, err
}

// WrappedRoundTripper returns the transport behind, which client-go asks for.
func (r *reporter) WrappedRoundTripper() http.RoundTripper { return r.next }

package credserver

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"time"
)

// Paths that the server handles.
const (
	CredentialsPath = "/v1/credentials"
	ReadyPath       = "/readyz"
)

// Handler returns the handler of the server. Credentials require authorization by the pod's
// UID or the Secret's token.
func (s *Store) Handler() http.Handler {
	mux := newMux(s.find)
	mux.HandleFunc(ReadyPath, s.ready)
	return onLoopback(mux)
}

// find returns the credentials for a request with an Authorization header.
func (s *Store) find(_ context.Context, given []byte) (*Credentials, error) {
	found, err := s.get(time.Now())
	if err == nil && !s.accepts(given, found) {
		err = deniedError("the header Authorization is neither the pod's UID nor the Secret's authorization-token: " +
			"leave AWS_CONTAINER_AUTHORIZATION_TOKEN as admission sets it, to the pod's metadata.uid")
	}
	return found, err
}

// accepts reports whether an Authorization header is the pod's UID or the Secret's token.
// The UID stays valid when the Secret is replaced. The token is for pods created before the
// UID was supported.
func (s *Store) accepts(given []byte, c *Credentials) bool {
	uid, token := same(given, []byte(s.podUID)), same(given, c.token)
	return uid && s.podUID != "" || token && len(c.token) > 0
}

// NewHandler returns the handler of a server for one process that was given a token. get
// returns valid credentials for a request with that token, or an error that the process is
// told, and that must contain nothing secret.
func NewHandler(token string, get func(context.Context) (*Credentials, error)) http.Handler {
	return onLoopback(newMux(func(ctx context.Context, given []byte) (*Credentials, error) {
		if token == "" || !same(given, []byte(token)) {
			return nil, deniedError("the header Authorization is not the AWS_CONTAINER_AUTHORIZATION_TOKEN that the process was given")
		}
		return get(ctx)
	}))
}

// A finder returns the credentials for a request with an Authorization header. The error is
// a deniedError if the header is not the right one.
type finder func(ctx context.Context, given []byte) (*Credentials, error)

// deniedError is why a request is not authorized.
type deniedError string

// Error returns the message.
func (e deniedError) Error() string { return string(e) }

func newMux(find finder) *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc(CredentialsPath, find.serve)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusNotFound, "NotFound", "credentials are at "+CredentialsPath)
	})
	return mux
}

// serve handles requests of SDKs.
func (find finder) serve(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		refuse(w, http.StatusMethodNotAllowed, "MethodNotAllowed", "ask with GET")
		return
	}
	given := r.Header.Get("Authorization")
	if given == "" {
		refuse(w, http.StatusUnauthorized, "MissingAuthorization",
			"the header Authorization is missing: the SDK takes it from AWS_CONTAINER_AUTHORIZATION_TOKEN")
		return
	}
	found, err := find(r.Context(), []byte(given))
	if denied, is := errors.AsType[deniedError](err); is {
		refuse(w, http.StatusForbidden, "AccessDenied", denied.Error())
		return
	}
	if err != nil {
		refuse(w, http.StatusServiceUnavailable, "CredentialsUnavailable", err.Error())
		return
	}
	head(w, http.StatusOK)
	_, _ = w.Write(found.answer)
}

// same compares in constant time. Hashing hides the length as well.
func same(a, b []byte) bool {
	x, y := sha256.Sum256(a), sha256.Sum256(b)
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// ready responds with 200 while valid credentials are available.
func (s *Store) ready(w http.ResponseWriter, _ *http.Request) {
	if _, err := s.get(time.Now()); err != nil {
		refuse(w, http.StatusServiceUnavailable, "CredentialsUnavailable", err.Error())
		return
	}
	head(w, http.StatusOK)
	_, _ = w.Write([]byte("{}"))
}

// onLoopback rejects requests for any other host, which prevents DNS rebinding by a page in
// a browser.
func onLoopback(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !loopback(r.Host) {
			refuse(w, http.StatusForbidden, "HostNotAllowed", "the host has to be a loopback address or localhost")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// loopback reports whether a Host header is localhost or a loopback address.
func loopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if len(host) > 1 && host[0] == '[' && host[len(host)-1] == ']' {
		host = host[1 : len(host)-1]
	}
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.IsLoopback()
}

// refuse responds with an error in the format of the SDKs. Callers pass only constant texts
// and the errors of finders, never parts of the request.
func refuse(w http.ResponseWriter, status int, code, message string) {
	head(w, status)
	answer, _ := json.Marshal(map[string]string{"Code": code, "Message": message}) //nolint:errchkjson // strings always marshal
	_, _ = w.Write(answer)
}

// head writes the status and the headers of all responses.
func head(w http.ResponseWriter, status int) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
}

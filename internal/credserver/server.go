package credserver

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
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
	mux := http.NewServeMux()
	mux.HandleFunc(CredentialsPath, s.credentials)
	mux.HandleFunc(ReadyPath, s.ready)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusNotFound, "NotFound", "credentials are at "+CredentialsPath)
	})
	return onLoopback(mux)
}

// credentials handles requests of SDKs.
func (s *Store) credentials(w http.ResponseWriter, r *http.Request) {
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
	found, err := s.get(time.Now())
	if err != nil {
		refuse(w, http.StatusServiceUnavailable, "CredentialsUnavailable", err.Error())
		return
	}
	if !s.accepts([]byte(given), found) {
		refuse(w, http.StatusForbidden, "AccessDenied", "the header Authorization is neither the pod's UID nor the Secret's authorization-token: "+
			"leave AWS_CONTAINER_AUTHORIZATION_TOKEN as admission sets it, to the pod's metadata.uid")
		return
	}
	head(w, http.StatusOK)
	_, _ = w.Write(found.answer)
}

// accepts reports whether an Authorization header is the pod's UID or the Secret's token.
// The UID stays valid when the Secret is replaced. The token is for pods created before the
// UID was supported.
func (s *Store) accepts(given []byte, c *credentials) bool {
	uid, token := same(given, []byte(s.podUID)), same(given, c.token)
	return uid && s.podUID != "" || token && len(c.token) > 0
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
// and errors of this package, never parts of the request.
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

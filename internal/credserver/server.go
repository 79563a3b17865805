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

// Paths of the server.
const (
	CredentialsPath = "/v1/credentials"
	ReadyPath       = "/readyz"
)

// Handler answers those who know the token, and nobody else.
func (s *Store) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc(CredentialsPath, s.credentials)
	mux.HandleFunc(ReadyPath, s.ready)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusNotFound, "NotFound", "credentials are at "+CredentialsPath)
	})
	return onLoopback(mux)
}

// credentials answers an SDK.
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

// accepts says whether a header is one of those that containers were given. The
// pod's UID stays for as long as the pod does, whatever becomes of the Secret;
// the Secret's token is that of pods that were created when there was no other.
func (s *Store) accepts(given []byte, c *credentials) bool {
	uid, token := same(given, []byte(s.podUID)), same(given, c.token)
	return uid && s.podUID != "" || token && len(c.token) > 0
}

// same compares in a time that tells nothing, not even the length.
func same(a, b []byte) bool {
	x, y := sha256.Sum256(a), sha256.Sum256(b)
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// ready answers 200 when an SDK would get credentials.
func (s *Store) ready(w http.ResponseWriter, _ *http.Request) {
	if _, err := s.get(time.Now()); err != nil {
		refuse(w, http.StatusServiceUnavailable, "CredentialsUnavailable", err.Error())
		return
	}
	head(w, http.StatusOK)
	_, _ = w.Write([]byte("{}"))
}

// onLoopback refuses requests that name another host: a page in a browser whose
// name was made to resolve to loopback does.
func onLoopback(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !loopback(r.Host) {
			refuse(w, http.StatusForbidden, "HostNotAllowed", "the host has to be a loopback address or localhost")
			return
		}
		next.ServeHTTP(w, r)
	})
}

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

// refuse answers with an error as SDKs read it. Code and message are ours, and
// repeat nothing of the request.
func refuse(w http.ResponseWriter, status int, code, message string) {
	head(w, status)
	answer, _ := json.Marshal(map[string]string{"Code": code, "Message": message}) //nolint:errchkjson // strings always marshal
	_, _ = w.Write(answer)
}

func head(w http.ResponseWriter, status int) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
}

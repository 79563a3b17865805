package credserver

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// discard is a response that nobody reads.
type discard http.Header

func (d discard) Header() http.Header         { return http.Header(d) }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}

// BenchmarkAnswer counts what the sidecar does for one request of an SDK, besides what
// net/http does.
func BenchmarkAnswer(b *testing.B) {
	h := NewStore(mount(b, "A").path, uid).Handler()
	r := httptest.NewRequest(http.MethodGet, "http://127.0.0.1:9911"+CredentialsPath, http.NoBody)
	r.Header.Set("Authorization", uid)
	w := discard{}
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(w, r)
	}
}

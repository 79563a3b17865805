package telemetry

import (
	"fmt"
	"net/http"
	"strings"
)

// A Check is one of the conditions of a probe.
type Check struct {
	Name string
	// Test returns nil if the condition holds. It has to return immediately.
	Test func() error
}

// probe returns a handler that answers 200 if all checks pass, else 503 with the
// errors of those that fail.
func probe(checks []Check) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		var failing strings.Builder
		for _, check := range checks {
			if err := check.Test(); err != nil {
				fmt.Fprintf(&failing, "%s: %v\n", check.Name, err)
			}
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if failing.Len() > 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = w.Write([]byte(failing.String()))
			return
		}
		_, _ = w.Write([]byte("ok\n"))
	})
}

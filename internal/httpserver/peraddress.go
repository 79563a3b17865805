package httpserver

import (
	"net/http"

	"kube-aws-iam-controller/internal/limit"
)

// LimitPerAddress returns a handler that serves at most so many requests of one client
// address at once, and refuses more with status 429.
func LimitPerAddress(maxRequests int, next http.Handler) http.Handler {
	requests := limit.NewConcurrency(maxRequests)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		release, ok := requests.TryAcquire(limit.Address(r.RemoteAddr))
		if !ok {
			http.Error(w, "too many requests of this address at once", http.StatusTooManyRequests)
			return
		}
		defer release()
		next.ServeHTTP(w, r)
	})
}

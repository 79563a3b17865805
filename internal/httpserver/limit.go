package httpserver

import (
	"net/http"

	"kube-aws-iam-controller/internal/limit"
)

// Limit answers at most that many requests of one client address at once, and
// refuses the others with 429.
func Limit(most int, next http.Handler) http.Handler {
	requests := limit.NewConcurrency(most)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		release, ok := requests.TryAcquire(limit.Address(r.RemoteAddr))
		if !ok {
			http.Error(w, "this address has other requests under way", http.StatusTooManyRequests)
			return
		}
		defer release()
		next.ServeHTTP(w, r)
	})
}

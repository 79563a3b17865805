package httpserver

import (
	"net/http"
	"sync"

	"kube-aws-iam-controller/internal/shares"
)

// Limit answers at most that many requests of one address at once. Others of that
// address are told to come back.
func Limit(most int, next http.Handler) http.Handler {
	l := &limit{most: most, of: map[string]int{}}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := shares.Address(r.RemoteAddr)
		if !l.arrive(host) {
			http.Error(w, "this address has other requests under way", http.StatusTooManyRequests)
			return
		}
		defer l.leave(host)
		next.ServeHTTP(w, r)
	})
}

type limit struct {
	most int

	mu sync.Mutex
	of map[string]int
}

func (l *limit) arrive(host string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.of[host] >= l.most {
		return false
	}
	l.of[host]++
	return true
}

func (l *limit) leave(host string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.of[host]--; l.of[host] == 0 {
		delete(l.of, host)
	}
}

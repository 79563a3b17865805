package limit

import (
	"context"
	"maps"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Requests limits the rate of requests to a service. Requests that a namespace repeats
// get at most half of the rate, so that first requests, and renewals of credentials
// that expire, find the other half free. It is safe for concurrent use.
type Requests struct {
	all *rate.Limiter
	// repeatRate and repeatBurst limit what one namespace repeats.
	repeatRate  rate.Limit
	repeatBurst int

	mu      sync.Mutex
	repeats map[string]*rate.Limiter // by namespace
	swept   time.Time
}

// NewRequests returns a limit of qps requests per second, with bursts up to twice that.
func NewRequests(qps float64) *Requests {
	return &Requests{
		all:        rate.NewLimiter(rate.Limit(qps), max(1, int(2*qps))),
		repeatRate: rate.Limit(qps / 2), repeatBurst: max(1, int(qps/2)),
		repeats: map[string]*rate.Limiter{},
	}
}

// repeatedKey is the context key of the namespace that repeats a request.
type repeatedKey struct{}

// Repeats marks the requests with a context as repeated by a namespace.
func Repeats(ctx context.Context, namespace string) context.Context {
	return context.WithValue(ctx, repeatedKey{}, namespace)
}

// ForAll removes the mark of Repeats, for requests whose result serves everybody,
// whoever needs it first.
func ForAll(ctx context.Context) context.Context {
	return context.WithValue(ctx, repeatedKey{}, nil)
}

// Wait waits until a request may be sent.
func (r *Requests) Wait(ctx context.Context) error {
	if namespace, repeated := ctx.Value(repeatedKey{}).(string); repeated {
		if err := r.ofNamespace(namespace, time.Now()).Wait(ctx); err != nil {
			return err
		}
	}
	return r.all.Wait(ctx)
}

// ofNamespace returns the limiter of what a namespace repeats. Once a minute it drops
// the limiters that have been idle.
func (r *Requests) ofNamespace(namespace string, now time.Time) *rate.Limiter {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.swept) > time.Minute {
		r.swept = now
		maps.DeleteFunc(r.repeats, func(_ string, l *rate.Limiter) bool { return l.TokensAt(now) >= float64(r.repeatBurst) })
	}
	limiter, known := r.repeats[namespace]
	if !known {
		limiter = rate.NewLimiter(r.repeatRate, r.repeatBurst)
		r.repeats[namespace] = limiter
	}
	return limiter
}

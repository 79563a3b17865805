// Package ratelimit shares out the requests that a service grants to the process.
package limit

import (
	"context"
	"maps"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// A Limiter gives turns to requests to one service. What a namespace asks for over and
// over has half of them at the most, so that whoever asks for the first time, or has
// credentials that run out, finds the other half free. It is for use by many at
// once.
type Requests struct {
	all *rate.Limiter
	// half and burst are for what one namespace repeats.
	half  rate.Limit
	burst int

	mu      sync.Mutex
	repeats map[string]*rate.Limiter
	swept   time.Time
}

// New returns so many turns a second, twice as many for a moment.
func NewRequests(qps float64) *Requests {
	return &Requests{
		all:  rate.NewLimiter(rate.Limit(qps), max(1, int(2*qps))),
		half: rate.Limit(qps / 2), burst: max(1, int(qps/2)),
		repeats: map[string]*rate.Limiter{},
	}
}

// repeated marks the context of what is done over and over for a namespace.
type repeated struct{}

// Repeats marks what is done with a context as what a namespace repeats.
func Repeats(ctx context.Context, namespace string) context.Context {
	return context.WithValue(ctx, repeated{}, namespace)
}

// Wait waits for a turn.
func (t *Requests) Wait(ctx context.Context) error {
	if namespace, repeats := ctx.Value(repeated{}).(string); repeats {
		if err := t.of(namespace, time.Now()).Wait(ctx); err != nil {
			return err
		}
	}
	return t.all.Wait(ctx)
}

// of returns what bounds the repeats of a namespace.
func (t *Requests) of(namespace string, now time.Time) *rate.Limiter {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now.Sub(t.swept) > time.Minute {
		t.swept = now
		maps.DeleteFunc(t.repeats, func(_ string, l *rate.Limiter) bool { return l.TokensAt(now) >= float64(t.burst) })
	}
	limiter, known := t.repeats[namespace]
	if !known {
		limiter = rate.NewLimiter(t.half, t.burst)
		t.repeats[namespace] = limiter
	}
	return limiter
}

// ForAll marks what is done with a context as everybody's, whoever is the first to
// need it.
func ForAll(ctx context.Context) context.Context {
	return context.WithValue(ctx, repeated{}, nil)
}

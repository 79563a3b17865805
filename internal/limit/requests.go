package limit

import (
	"context"

	"golang.org/x/time/rate"
)

// maxRepeaters is how many namespaces are known by what they repeat.
const maxRepeaters = 4096

// Requests limits the requests to one service. What a namespace repeats gets at most
// half of them, so that requests of first-time work and of renewals that are due
// find the other half free. It is safe for use by several goroutines. Create it with
// NewRequests.
type Requests struct {
	all     *rate.Limiter
	repeats *Keyed[string] // by namespace
}

// NewRequests returns a limit of so many requests per second, with bursts up to twice
// that.
func NewRequests(qps float64) *Requests {
	return &Requests{
		all:     rate.NewLimiter(rate.Limit(qps), max(1, int(2*qps))),
		repeats: NewKeyed[string](rate.Limit(qps/2), max(1, int(qps/2)), maxRepeaters),
	}
}

// repeated is the context key for the namespace whose repeated work this is.
type repeated struct{}

// Repeats marks the requests made with a context as repeated work of a namespace.
func Repeats(ctx context.Context, namespace string) context.Context {
	return context.WithValue(ctx, repeated{}, namespace)
}

// ForAll marks the requests made with a context as needed by all namespaces, whichever
// of them is the first to need the answer.
func ForAll(ctx context.Context) context.Context {
	return context.WithValue(ctx, repeated{}, nil)
}

// Wait waits until the next request may be sent, or ctx is done.
func (r *Requests) Wait(ctx context.Context) error {
	if namespace, repeats := ctx.Value(repeated{}).(string); repeats {
		if err := r.repeats.Wait(ctx, namespace); err != nil {
			return err
		}
	}
	return r.all.Wait(ctx)
}

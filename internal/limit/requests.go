package limit

import (
	"context"
	"time"

	"golang.org/x/time/rate"
)

// maxRepeaters is how many namespaces are known by what they repeat.
const maxRepeaters = 4096

// patience is how long a request that can wait lets others go first.
const patience = 10 * time.Second

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

type (
	// repeated is the context key for the namespace whose repeated work this is.
	repeated struct{}
	// background is the context key for work that can wait.
	background struct{}
)

// Repeats marks the requests made with a context as repeated work of a namespace.
func Repeats(ctx context.Context, namespace string) context.Context {
	return context.WithValue(ctx, repeated{}, namespace)
}

// ForAll marks the requests made with a context as needed by all namespaces, whichever
// of them is the first to need the answer.
func ForAll(ctx context.Context) context.Context {
	return context.WithValue(context.WithValue(ctx, repeated{}, nil), background{}, false)
}

// Background marks the requests made with a context as ones that nobody waits for: they
// let others go first, for some seconds each.
func Background(ctx context.Context) context.Context {
	return context.WithValue(ctx, background{}, true)
}

// Busy reports whether a request would have to wait for its turn.
func (r *Requests) Busy() bool { return r.all.Tokens() < 1 }

// Wait waits until the next request may be sent, or ctx is done.
func (r *Requests) Wait(ctx context.Context) error {
	if namespace, repeats := ctx.Value(repeated{}).(string); repeats {
		if err := r.repeats.Wait(ctx, namespace); err != nil {
			return err
		}
	}
	if can, _ := ctx.Value(background{}).(bool); can && r.takeSpare(ctx) {
		return nil
	}
	return r.all.Wait(ctx)
}

// takeSpare waits for a turn that nobody else waits for, and takes it. It returns false
// if there was none in time. While others wait, the limiter owes turns, and grants none
// out of order.
func (r *Requests) takeSpare(ctx context.Context) bool {
	turn := time.Duration(float64(time.Second) / float64(r.all.Limit()))
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if r.all.Allow() {
			return true
		}
		timer := time.NewTimer(min(max(turn, 10*time.Millisecond), time.Second))
		select {
		case <-ctx.Done():
			timer.Stop()
			return false // which Wait says in its own words
		case <-timer.C:
		}
	}
	return false
}

package kube

import (
	"context"
	"net/http"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/flowcontrol"
)

// A share is what a client may ask of the rate limit of the process. It
// implements flowcontrol.RateLimiter.
type share struct {
	process *rate.Limiter
	// own bounds the client besides, nil for no more than the process.
	own *rate.Limiter
	// ahead is for requests that others wait for: they count, but do not wait
	// behind those of the other clients.
	ahead bool
}

// rates are the limits of the clients of one process: those without a bound of
// their own, events, what pods wait for, and what whoever reaches the webhook can
// ask for without being known as the API server.
type rates struct{ work, events, admission, strange *share }

// newRates gives events and pods a quarter at most, and strangers an eighth.
func newRates(qps float64) rates {
	burst := max(1, int(2*qps))
	process := rate.NewLimiter(rate.Limit(qps), burst)
	part := func(n int) *rate.Limiter { return rate.NewLimiter(rate.Limit(qps/float64(n)), max(1, burst/n)) }
	return rates{
		work:      &share{process: process},
		events:    &share{process: process, own: part(4)},
		admission: &share{process: process, own: part(4), ahead: true},
		strange:   &share{process: process, own: part(8), ahead: true},
	}
}

// reviewsQPS is how often those who ask for metrics are looked up. Strangers can
// have that done with tokens that they make up.
const reviewsQPS = 20

// newReviews returns the limits of a client for what strangers have looked up.
func newReviews(work *share, qps float64) *share {
	return &share{process: work.process, own: rate.NewLimiter(rate.Limit(min(reviewsQPS, qps/4)), 1)}
}

// Wait implements flowcontrol.RateLimiter.
func (s *share) Wait(ctx context.Context) error {
	if s.own != nil {
		if err := s.own.Wait(ctx); err != nil {
			return err
		}
	}
	if s.ahead {
		s.process.ReserveN(time.Now(), 1)
		return nil
	}
	return s.process.Wait(ctx)
}

// Accept implements flowcontrol.RateLimiter.
func (s *share) Accept() { _ = s.Wait(context.Background()) }

// TryAccept implements flowcontrol.RateLimiter.
func (s *share) TryAccept() bool {
	return (s.own == nil || s.own.Allow()) && (s.process.Allow() || s.ahead)
}

// Stop implements flowcontrol.RateLimiter.
func (s *share) Stop() {}

// QPS implements flowcontrol.RateLimiter.
func (s *share) QPS() float32 {
	if s.own != nil {
		return float32(s.own.Limit())
	}
	return float32(s.process.Limit())
}

// limited returns cfg with a limiter of requests.
func limited(cfg *rest.Config, limiter flowcontrol.RateLimiter) *rest.Config {
	cfg = rest.CopyConfig(cfg)
	cfg.RateLimiter = limiter
	return cfg
}

// The Lease is renewed by a client of its own, whose requests wait for no others
// and are given up in time for another try before the Lease is lost.
const (
	leaseQPS     = 5
	leaseBurst   = 10
	leaseTimeout = 5 * time.Second
)

// forLease returns cfg for the client of the Lease.
func forLease(cfg *rest.Config) *rest.Config {
	cfg = limited(cfg, flowcontrol.NewTokenBucketRateLimiter(leaseQPS, leaseBurst))
	cfg.Timeout = leaseTimeout
	return cfg
}

// fenced lets nothing through that changes something once allowed returns an
// error.
type fenced struct {
	allowed func() error
	next    http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (f *fenced) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		if err := f.allowed(); err != nil {
			if req.Body != nil {
				_ = req.Body.Close()
			}
			return nil, err
		}
	}
	return f.next.RoundTrip(req)
}

// WrappedRoundTripper lets client-go find the transport underneath.
func (f *fenced) WrappedRoundTripper() http.RoundTripper { return f.next }

// fence returns cfg with writes that allowed has to permit, nil for no condition.
func fence(cfg *rest.Config, allowed func() error) *rest.Config {
	cfg = rest.CopyConfig(cfg)
	if allowed != nil {
		cfg.Wrap(func(next http.RoundTripper) http.RoundTripper { return &fenced{allowed: allowed, next: next} })
	}
	return cfg
}

package kube

import (
	"context"
	"net/http"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/flowcontrol"
)

// A share is the part of the process's rate limit that a client may use. It implements
// flowcontrol.RateLimiter.
type share struct {
	process *rate.Limiter
	// client is the limit of the client in addition to process. nil means that only process
	// applies.
	client *rate.Limiter
	// ahead exempts the client from waiting for process. Its requests still consume
	// tokens of process.
	ahead bool
}

// rates are the rate limits of the clients of one process.
type rates struct {
	// work has no limit except that of the process.
	work *share
	// events is for Events.
	events *share
	// admission is for lookups while the API server waits for the webhook.
	admission *share
	// untrusted is for lookups by webhook requests that are not identified as the API
	// server's.
	untrusted *share
}

// newRates returns rates for a process limit of qps. Events and admission get at most a
// quarter of it each, untrusted lookups an eighth.
func newRates(qps float64) rates {
	burst := max(1, int(2*qps))
	process := rate.NewLimiter(rate.Limit(qps), burst)
	part := func(n int) *rate.Limiter { return rate.NewLimiter(rate.Limit(qps/float64(n)), max(1, burst/n)) }
	return rates{
		work:      &share{process: process},
		events:    &share{process: process, client: part(4)},
		admission: &share{process: process, client: part(4), ahead: true},
		untrusted: &share{process: process, client: part(8), ahead: true},
	}
}

// reviewsQPS limits the TokenReviews and SubjectAccessReviews for metrics, which any
// client can cause with an invalid token.
const reviewsQPS = 20

// newReviews returns the rate limit of the client for reviews.
func newReviews(work *share, qps float64) *share {
	return &share{process: work.process, client: rate.NewLimiter(rate.Limit(min(reviewsQPS, qps/4)), 1)}
}

// Wait implements flowcontrol.RateLimiter.
func (s *share) Wait(ctx context.Context) error {
	if s.client != nil {
		if err := s.client.Wait(ctx); err != nil {
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
	return (s.client == nil || s.client.Allow()) && (s.process.Allow() || s.ahead)
}

// Stop implements flowcontrol.RateLimiter.
func (s *share) Stop() {}

// QPS implements flowcontrol.RateLimiter.
func (s *share) QPS() float32 {
	if s.client != nil {
		return float32(s.client.Limit())
	}
	return float32(s.process.Limit())
}

// limited returns a copy of cfg with a rate limiter.
func limited(cfg *rest.Config, limiter flowcontrol.RateLimiter) *rest.Config {
	cfg = rest.CopyConfig(cfg)
	cfg.RateLimiter = limiter
	return cfg
}

// The Lease has a separate client, so that its requests never wait for others. The timeout
// leaves time for another attempt before the Lease expires.
const (
	leaseQPS     = 5
	leaseBurst   = 10
	leaseTimeout = 5 * time.Second
)

// forLease returns a copy of cfg for the client of the Lease.
func forLease(cfg *rest.Config) *rest.Config {
	cfg = limited(cfg, flowcontrol.NewTokenBucketRateLimiter(leaseQPS, leaseBurst))
	cfg.Timeout = leaseTimeout
	return cfg
}

// fenced is a transport that rejects writes while allowed returns an error.
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

// WrappedRoundTripper returns the underlying transport. client-go looks for it.
func (f *fenced) WrappedRoundTripper() http.RoundTripper { return f.next }

// fence returns a copy of cfg that rejects writes while allowed returns an error. A nil
// allowed permits all.
func fence(cfg *rest.Config, allowed func() error) *rest.Config {
	cfg = rest.CopyConfig(cfg)
	if allowed != nil {
		cfg.Wrap(func(next http.RoundTripper) http.RoundTripper { return &fenced{allowed: allowed, next: next} })
	}
	return cfg
}

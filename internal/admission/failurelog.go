package admission

import (
	"sync"
	"time"

	"github.com/go-kit/log/level"
	"golang.org/x/time/rate"

	"kube-aws-iam-controller/internal/identity"
)

// The log has a limited number of lines about pods that are not admitted, with a
// limit of its own for unknown clients: whoever may create pods, or reaches the
// port, can cause any number of failures.
const (
	failureInterval, failureBurst               = time.Second, 20
	unknownFailureInterval, unknownFailureBurst = time.Minute, 2
)

// logFailure logs that a pod was not admitted, unless that was logged too often.
func (h *Webhook) logFailure(from client, posted *request, err error) {
	limiter, interval, burst := &h.failures, failureInterval, failureBurst
	if !from.isAPIServer() {
		limiter, interval, burst = &h.unknownFailures, unknownFailureInterval, unknownFailureBurst
	}
	if allowed, suppressed := limiter.allow(interval, burst); allowed {
		level.Error(h.Logger).Log("msg", "a pod was not admitted", "namespace", identity.Cut(posted.namespace), "pod", identity.Cut(posted.pod.Name),
			"suppressed", suppressed, "err", err)
	}
}

// failureLimiter limits log lines, and counts those that are suppressed. The zero
// value is ready to use.
type failureLimiter struct {
	mu         sync.Mutex
	limiter    *rate.Limiter
	suppressed int
}

// allow says whether a line may be logged now, and how many were suppressed since
// the last one.
func (f *failureLimiter) allow(interval time.Duration, burst int) (allowed bool, suppressed int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.limiter == nil {
		f.limiter = rate.NewLimiter(rate.Every(interval), burst)
	}
	if !f.limiter.Allow() {
		f.suppressed++
		return false, 0
	}
	suppressed, f.suppressed = f.suppressed, 0
	return true, suppressed
}

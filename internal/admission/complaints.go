package admission

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Pods that are not admitted are told of so often in the log, those of the API
// server and those that anybody may have posted each: whoever creates pods, or
// reaches the port, can have as many refused as they like.
const (
	complainEvery, complaintsAtOnce                = time.Second, 20
	strangeComplaintEvery, strangeComplaintsAtOnce = time.Minute, 2
)

// complaints are lines of the log. The zero value is ready.
type complaints struct {
	mu      sync.Mutex
	limiter *rate.Limiter
	unsaid  int
}

// say says whether there is to be a line now, and how many there were not since
// the one before.
func (c *complaints) say(every time.Duration, atOnce int) (now bool, unsaid int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.limiter == nil {
		c.limiter = rate.NewLimiter(rate.Every(every), atOnce)
	}
	if !c.limiter.Allow() {
		c.unsaid++
		return false, 0
	}
	unsaid, c.unsaid = c.unsaid, 0
	return true, unsaid
}

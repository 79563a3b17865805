package kit

import (
	"context"
	"fmt"
	"time"
)

// Within is how long what happens at once may take on a busy machine.
const Within = time.Minute

const (
	firstPause   = 5 * time.Millisecond
	longestPause = 200 * time.Millisecond
)

// Eventually asks again and again until done returns nil, at first soon and then less and less often: many tests that wait
// side by side leave the machine to what they wait for. When the time is over it returns the last error that tells more
// than that.
func Eventually(ctx context.Context, within time.Duration, done func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	pause := time.NewTimer(0)
	defer pause.Stop()
	interval := firstPause
	var last error
	for {
		err := done(ctx)
		if err == nil {
			return nil
		}
		if last == nil || ctx.Err() == nil {
			last = err
		}
		pause.Reset(interval)
		select {
		case <-ctx.Done():
			return fmt.Errorf("not within %s: %w", within, last)
		case <-pause.C:
		}
		interval = min(interval*3/2, longestPause)
	}
}

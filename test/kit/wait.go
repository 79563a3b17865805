package kit

import (
	"context"
	"fmt"
	"time"
)

// Eventually asks until done returns nil, every few milliseconds. When the time is over it returns the last error that
// tells more than that.
func Eventually(ctx context.Context, within time.Duration, done func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	var last error
	for {
		err := done(ctx)
		if err == nil {
			return nil
		}
		if last == nil || ctx.Err() == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not within %s: %w", within, last)
		case <-ticker.C:
		}
	}
}

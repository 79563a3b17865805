package system

import (
	"context"
	"fmt"
	"time"
)

// Eventually asks until done returns nil, every few milliseconds, and returns its last error when the time is over.
func Eventually(ctx context.Context, within time.Duration, done func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := done(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not within %s: %w", within, err)
		case <-ticker.C:
		}
	}
}

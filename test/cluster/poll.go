package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// pollInterval is how often something that starts is asked whether it is ready.
const pollInterval = 50 * time.Millisecond

// errEnded says that the process which was to become ready has ended instead.
var errEnded = errors.New("the process has ended")

// poll asks until ready returns no error. It gives up when the context or, unless nil, ended is done.
func poll(ctx context.Context, ended <-chan struct{}, ready func(context.Context) error) error {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ended: // or else what it did before could pass for being ready
			return errEnded
		default:
		}
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ended:
		case <-ctx.Done():
			return fmt.Errorf("%w; last answer: %w", ctx.Err(), err)
		}
	}
}

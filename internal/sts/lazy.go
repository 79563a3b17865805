package sts

import (
	"context"
	"sync/atomic"

	"golang.org/x/sync/singleflight"
)

// lazy is a value that is fetched when it is first needed, until that succeeds.
type lazy[T any] struct {
	group singleflight.Group
	value atomic.Pointer[T]
}

// get returns the value, and calls fetch if it is not known yet. Concurrent callers
// share one call and its result, including its error.
func (l *lazy[T]) get(ctx context.Context, fetch func(context.Context) (*T, error)) (*T, error) {
	if known := l.value.Load(); known != nil {
		return known, nil
	}
	result := l.group.DoChan("", func() (any, error) {
		if l.value.Load() != nil {
			return nil, nil //nolint:nilnil // fetched since the check above
		}
		// On behalf of all callers, so not cancelled with one of them.
		value, err := fetch(context.WithoutCancel(ctx))
		if err == nil {
			l.value.Store(value)
		}
		return nil, err
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case r := <-result:
		return l.value.Load(), r.Err
	}
}

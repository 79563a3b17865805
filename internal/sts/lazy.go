package sts

import (
	"context"
	"sync/atomic"

	"golang.org/x/sync/singleflight"
)

// once is something that is asked until it is told, and then never again.
type lazy[T any] struct {
	group singleflight.Group
	value atomic.Pointer[T]
}

// get returns what ask returns. Whoever comes while somebody asks shares the
// answer, also if it is an error.
func (o *lazy[T]) get(ctx context.Context, ask func(context.Context) (*T, error)) (*T, error) {
	if known := o.value.Load(); known != nil {
		return known, nil
	}
	answer := o.group.DoChan("", func() (any, error) {
		if o.value.Load() != nil {
			return nil, nil //nolint:nilnil // it was told since we looked
		}
		// On behalf of all who wait, so not bound to the patience of one.
		told, err := ask(context.WithoutCancel(ctx))
		if err == nil {
			o.value.Store(told)
		}
		return nil, err
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case result := <-answer:
		return o.value.Load(), result.Err
	}
}

package sts

import (
	"context"
	"sync/atomic"

	"golang.org/x/sync/singleflight"
)

// once is something that is asked until it is told, and then never again.
type once[T any] struct {
	asking singleflight.Group
	told   atomic.Pointer[T]
}

// get returns what ask returns. Whoever comes while somebody asks shares the
// answer, also if it is an error.
func (o *once[T]) get(ctx context.Context, ask func(context.Context) (*T, error)) (*T, error) {
	if known := o.told.Load(); known != nil {
		return known, nil
	}
	answer := o.asking.DoChan("", func() (any, error) {
		if o.told.Load() != nil {
			return nil, nil //nolint:nilnil // it was told since we looked
		}
		// On behalf of all who wait, so not bound to the patience of one.
		told, err := ask(context.WithoutCancel(ctx))
		if err == nil {
			o.told.Store(told)
		}
		return nil, err
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case result := <-answer:
		return o.told.Load(), result.Err
	}
}

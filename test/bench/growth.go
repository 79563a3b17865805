package main

import (
	"context"
	"fmt"
	"strings"
)

// growth measures whether more identities cost more each.
func (b *bench) growth(ctx context.Context, size sizes, r *report) error {
	var lines []string
	var first, last float64
	for i, n := range size.growth {
		namespace := fmt.Sprintf("growth-%d", n)
		if err := b.namespace(ctx, namespace); err != nil {
			return err
		}
		took, err := b.timedFill(ctx, namespace, 0, n)
		if err != nil {
			return err
		}
		loop, err := b.bareTime(ctx, "bare-"+namespace, min(n, 2000), workers)
		if err != nil {
			return err
		}
		// Each against the bare loop beside it: the API server grows, too.
		last = took.Seconds() / float64(n) / (loop.Seconds() / float64(min(n, 2000)))
		if i == 0 {
			first = last
		}
		lines = append(lines, fmt.Sprintf("%d: %.2f ms each, %.2f times the bare loop", n, 1000*took.Seconds()/float64(n), last))
	}
	r.add(last <= 1.3*first, fmt.Sprintf("growth from %d to %d new identities, STS answering at once: time for each, against the bare loop beside it",
		size.growth[0], size.growth[len(size.growth)-1]), "linear", "%.2f times at first, %.2f times at last", first, last)
	r.detail("Growth: %s.", strings.Join(lines, "; "))
	return nil
}

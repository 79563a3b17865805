package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// settled is how long after the last Secret the controller has looked at each once more, and is done.
const settled = 45 * time.Second

// cost is what the controller spent. A machine that has other things to do changes none of it much, unlike a time.
type cost struct {
	seconds         float64 // of processor time
	allocations     float64
	kubernetes, aws float64 // calls
}

// growth counts what one identity costs where there are few and where there are many.
func (b *bench) growth(ctx context.Context, size sizes, r *report) error {
	start, err := b.startCost(ctx)
	if err != nil {
		return err
	}
	for _, kind := range kinds {
		var each []cost
		for _, n := range size.growth {
			c, err := b.servingCost(ctx, kind, n)
			if err != nil {
				return err
			}
			each = append(each, c.minus(start).dividedBy(n))
		}
		reportGrowth(r, kind, size.growth, each)
	}
	return nil
}

// startCost is that of a controller without anything to serve.
func (b *bench) startCost(ctx context.Context) (cost, error) {
	const namespace = "growth-nothing"
	b.say("controller: the cost of a start")
	if err := b.namespace(ctx, namespace); err != nil {
		return cost{}, err
	}
	if err := b.run(ctx, namespace, unlimited...); err != nil {
		return cost{}, err
	}
	defer b.stop()
	if err := pause(ctx, settled); err != nil {
		return cost{}, err
	}
	return b.cost(ctx)
}

// servingCost is the cost of n new identities, from the start of the controller until it has nothing left to do.
func (b *bench) servingCost(ctx context.Context, kind kind, n int) (cost, error) {
	namespace := fmt.Sprintf("growth-%s-%d", strings.ToLower(kind.name), n)
	if err := b.namespace(ctx, namespace); err != nil {
		return cost{}, err
	}
	asked := b.awsCalls()
	if err := b.fill(ctx, namespace, kind, n); err != nil {
		return cost{}, err
	}
	defer b.stop()
	if err := pause(ctx, settled); err != nil {
		return cost{}, err
	}
	c, err := b.cost(ctx)
	c.aws = b.awsCalls() - asked
	return c, err
}

// cost is what the running controller has spent, but for calls of AWS.
func (b *bench) cost(ctx context.Context) (c cost, err error) {
	for metric, value := range map[string]*float64{
		"process_cpu_seconds_total ": &c.seconds, "go_memstats_mallocs_total ": &c.allocations, "rest_client_requests_total{": &c.kubernetes,
	} {
		if *value, err = b.running.Metric(ctx, metric); err != nil {
			return c, err
		}
	}
	return c, nil
}

func (b *bench) awsCalls() (sum float64) {
	for _, n := range b.aws.Counts() {
		sum += float64(n)
	}
	return sum
}

func (c cost) minus(other cost) cost {
	return cost{c.seconds - other.seconds, c.allocations - other.allocations, c.kubernetes - other.kubernetes, c.aws - other.aws}
}

func (c cost) dividedBy(n int) cost {
	return cost{c.seconds / float64(n), c.allocations / float64(n), c.kubernetes / float64(n), c.aws / float64(n)}
}

// reportGrowth reports what each of so many identities cost. Fewer calls for each are no fault: events have a limit.
func reportGrowth(r *report, kind kind, numbers []int, each []cost) {
	first, last := each[0], each[len(each)-1]
	what := fmt.Sprintf("growth from %d to %d new %s at once", numbers[0], numbers[len(numbers)-1], kind.name)
	for _, row := range []struct {
		what, unit  string
		first, last float64
	}{
		{what + ": processor time for each", "ms", 1000 * first.seconds, 1000 * last.seconds},
		{"the same: allocations for each", "", first.allocations, last.allocations},
		{"the same: calls of the API server for each", "", first.kubernetes, last.kubernetes},
		{"the same: calls of AWS for each", "", first.aws, last.aws},
	} {
		r.add(row.last <= 1.2*row.first, row.what, "at most 1.2 times as much at last", "%s at first, %s at last", amount(row.first, row.unit), amount(row.last, row.unit))
	}
	lines := make([]string, 0, len(each))
	for i, c := range each {
		lines = append(lines, fmt.Sprintf("%d: %s, %s allocations, %.2f calls of the API server, %.2f of AWS",
			numbers[i], amount(1000*c.seconds, "ms"), amount(c.allocations, ""), c.kubernetes, c.aws))
	}
	r.detail("Cost of one of so many %s: %s.", kind.name, strings.Join(lines, "; "))
}

// amount writes a number with three digits that count.
func amount(v float64, unit string) string {
	digits := 0
	for limit := 100.0; v < limit && digits < 2; limit /= 10 {
		digits++
	}
	return strings.TrimSpace(fmt.Sprintf("%.*f %s", digits, v, unit))
}

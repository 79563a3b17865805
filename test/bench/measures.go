package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const patience = 30 * time.Second

// burst measures many new identities at once.
func (b *bench) burst(ctx context.Context, size sizes, r *report) error {
	b.aws.SetLatency(latency)
	defer b.aws.SetLatency(0)
	const sample = 40
	serial, err := b.bareTime(ctx, "serial", sample, 1)
	if err != nil {
		return err
	}
	serial = serial / sample * time.Duration(size.burst)
	for i, kind := range kinds {
		loop, err := b.bareTime(ctx, fmt.Sprintf("bare-%d", i), size.burst, workers)
		if err != nil {
			return err
		}
		took, err := b.served(ctx, fmt.Sprintf("burst-%d", i), size.burst, kind)
		if err != nil {
			return err
		}
		ratio := took.Seconds() / loop.Seconds()
		r.add(ratio <= 1.2, fmt.Sprintf("%d new %s at once, STS at %s, from the start of the process to the last Secret", size.burst, kind.name, latency),
			"at most 1.2 times the bare loop", "%.2f times (%.1f s, the loop %.1f s)", ratio, took.Seconds(), loop.Seconds())
		if i == 1 {
			gain := serial.Seconds() / took.Seconds()
			r.add(gain >= 20, "the same, against one at a time as the predecessor does it", "20 times as fast", "%.1f times (one at a time: %.0f s)", gain, serial.Seconds())
		}
	}
	return nil
}

// bareTime is that of a bare loop.
func (b *bench) bareTime(ctx context.Context, namespace string, n, parallel int) (time.Duration, error) {
	b.say("bare loop: %d identities, %d at once", n, parallel)
	if err := b.namespace(ctx, namespace); err != nil {
		return 0, err
	}
	loop, err := b.bare(namespace)
	if err != nil {
		return 0, err
	}
	return all(ctx, n, parallel, loop.one)
}

// served is how long it takes from the start of a controller to the last Secret.
func (b *bench) served(ctx context.Context, namespace string, n int, kind kind, args ...string) (time.Duration, error) {
	b.say("controller: %d %s", n, kind.name)
	if err := b.namespace(ctx, namespace); err != nil {
		return 0, err
	}
	err := b.numbered(ctx, namespace, 0, n, func(ctx context.Context, namespace, name string) error { return kind.create(b, ctx, namespace, name) })
	if err != nil {
		return 0, err
	}
	all, err := b.watched(ctx, namespace, n)
	if err != nil {
		return 0, err
	}
	begin := time.Now()
	if err = b.run(ctx, namespace, args...); err != nil {
		return 0, err
	}
	defer b.stop()
	end, err := wait(ctx, all)
	return end.Sub(begin), err
}

// single measures one identity at a time, on a controller that has nothing else to do.
func (b *bench) single(ctx context.Context, size sizes, r *report) error {
	b.say("controller: %d ServiceAccounts, one at a time", size.single)
	b.aws.SetLatency(latency)
	defer b.aws.SetLatency(0)
	const namespace = "single"
	if err := b.namespace(ctx, namespace); err != nil {
		return err
	}
	if err := b.run(ctx, namespace); err != nil {
		return err
	}
	defer b.stop()
	if err := b.running.WaitReady(ctx, patience); err != nil {
		return err
	}
	loop, err := b.bare(namespace)
	if err != nil {
		return err
	}
	var ours, theirs []time.Duration
	for i := range size.single {
		name := fmt.Sprintf("app-%d", i)
		took, err := b.oneSeen(ctx, namespace, name, b.createAccount)
		if err != nil {
			return err
		}
		ours = append(ours, took)
		begin := time.Now()
		if err := loop.one(ctx, "bare-"+name); err != nil {
			return err
		}
		theirs = append(theirs, time.Since(begin))
	}
	ours = ours[1:] // the first one pays for connections
	median, tail := percentile(ours, 50), percentile(ours, 99)
	r.add(median <= latency+10*time.Millisecond, "one annotated ServiceAccount, from its creation until its Secret is seen, median",
		"STS time + 10 ms", "STS time + %.1f ms (the bare requests: + %.1f ms)", ms(median-latency), ms(percentile(theirs, 50)-latency))
	r.add(tail <= latency+50*time.Millisecond, "the same, 99th percentile", "STS time + 50 ms",
		"STS time + %.1f ms (the bare requests: + %.1f ms)", ms(tail-latency), ms(percentile(theirs, 99)-latency))
	return nil
}

// oneSeen is how long it takes from the creation of a ServiceAccount until its Secret is seen.
func (b *bench) oneSeen(ctx context.Context, namespace, name string, create func(ctx context.Context, namespace, name string) error) (time.Duration, error) {
	watching, err := b.Client().CoreV1().Secrets(namespace).Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + name + ".aws-iam"})
	if err != nil {
		return 0, err
	}
	defer watching.Stop()
	begin := time.Now()
	if err := create(ctx, namespace, name); err != nil {
		return 0, err
	}
	select {
	case <-watching.ResultChan():
		return time.Since(begin), nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func percentile(all []time.Duration, p int) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[min(len(sorted)-1, len(sorted)*p/100)]
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

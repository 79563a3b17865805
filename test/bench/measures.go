package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/test/cluster"
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
		r.add(ratio <= 1.3, fmt.Sprintf("%d new %s at once, STS at %s, from the start of the process to the last Secret", size.burst, kind.name, latency),
			"at most 1.3 times the bare loop", "%.2f times (%.1f s, the loop %.1f s)", ratio, took.Seconds(), loop.Seconds())
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
	return loop.all(ctx, n, parallel)
}

// served is how long it takes from the start of a controller to the last Secret.
func (b *bench) served(ctx context.Context, namespace string, n int, kind kind) (time.Duration, error) {
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
	if err = b.run(ctx, namespace); err != nil {
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
		took, err := b.oneServed(ctx, namespace, name)
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
	r.add(median <= latency+30*time.Millisecond, "one annotated ServiceAccount, from its creation until its Secret is seen, median",
		"STS time + 30 ms", "STS time + %.1f ms (the bare requests: + %.1f ms)", ms(median-latency), ms(percentile(theirs, 50)-latency))
	r.add(tail <= latency+150*time.Millisecond, "the same, 99th percentile", "STS time + 150 ms",
		"STS time + %.1f ms (the bare requests: + %.1f ms)", ms(tail-latency), ms(percentile(theirs, 99)-latency))
	return nil
}

func (b *bench) oneServed(ctx context.Context, namespace, name string) (time.Duration, error) {
	watching, err := b.Client().CoreV1().Secrets(namespace).Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + name + ".aws-iam"})
	if err != nil {
		return 0, err
	}
	defer watching.Stop()
	begin := time.Now()
	if err := b.createAccount(ctx, namespace, name); err != nil {
		return 0, err
	}
	select {
	case <-watching.ResultChan():
		return time.Since(begin), nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// restart measures what a restart over fresh identities costs, and the memory that they take.
func (b *bench) restart(ctx context.Context, size sizes, r *report) error {
	const namespace = "restart"
	if err := b.namespace(ctx, namespace); err != nil {
		return err
	}
	empty, err := b.resident(ctx, namespace)
	if err != nil {
		return err
	}
	b.say("controller: %d ServiceAccounts that ask for nothing", size.other)
	if err = b.numbered(ctx, namespace, 1_000_000, size.other, b.createOther); err != nil {
		return err
	}
	others, err := b.resident(ctx, namespace)
	if err != nil {
		return err
	}
	if err = b.fill(ctx, namespace, 0, size.fresh); err != nil {
		return err
	}
	b.say("controller: restart over %d fresh identities", size.fresh)
	sts := b.aws.Counts()["AssumeRole"]
	reads, err := b.secretReads(ctx)
	if err != nil {
		return err
	}
	begin := time.Now()
	if err = b.run(ctx, namespace); err != nil {
		return err
	}
	defer b.stop()
	if err = b.running.WaitReady(ctx, patience); err != nil {
		return err
	}
	ready := time.Since(begin)
	timer := time.NewTimer(40 * time.Second) // whatever it wants to do after a restart, it has done
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	again, err := b.secretReads(ctx)
	if err != nil {
		return err
	}
	full, err := b.running.Metric(ctx, "process_resident_memory_bytes")
	if err != nil {
		return err
	}
	calls := b.aws.Counts()["AssumeRole"] - sts
	r.add(calls == 0, fmt.Sprintf("restart over %d fresh identities: STS calls", size.fresh), "0", "%d", calls)
	r.add(again == reads, "the same: reads of a Secret", "0", "%.0f", again-reads)
	r.add(ready <= 5*time.Second, "the same: ready", "within 5 s", "%.2f s", ready.Seconds())
	limit := 40 + float64(size.fresh)*3/1024 + float64(size.other)*0.5/1024
	r.add(full/mib <= limit, fmt.Sprintf("resident memory with %d identities and %d other ServiceAccounts", size.fresh, size.other),
		fmt.Sprintf("40 MiB + 3 KiB and 0.5 KiB for each: %.0f MiB", limit), "%.0f MiB", full/mib)
	r.detail("Resident memory of a controller just started: %.0f MiB with nothing to do, %.0f MiB with %d ServiceAccounts that ask for nothing.",
		empty/mib, others/mib, size.other)
	return nil
}

const mib = 1 << 20

// resident is the memory of a controller some seconds after its start.
func (b *bench) resident(ctx context.Context, namespace string) (float64, error) {
	if err := b.run(ctx, namespace); err != nil {
		return 0, err
	}
	defer b.stop()
	if err := b.running.WaitReady(ctx, patience); err != nil {
		return 0, err
	}
	return b.running.Metric(ctx, "process_resident_memory_bytes")
}

// fill has n more identities served as fast as the machine can.
func (b *bench) fill(ctx context.Context, namespace string, first, n int) error {
	_, err := b.timedFill(ctx, namespace, first, n)
	return err
}

// timedFill says how long the controller took. The objects are there before it starts.
func (b *bench) timedFill(ctx context.Context, namespace string, first, n int) (time.Duration, error) {
	b.say("controller: %d more identities, STS at once", n)
	if err := b.numbered(ctx, namespace, first, n, b.createAccount); err != nil {
		return 0, err
	}
	all, err := b.watched(ctx, namespace, first+n)
	if err != nil {
		return 0, err
	}
	begin := time.Now()
	if err = b.run(ctx, namespace, "--sts-qps=100000", "--kube-api-qps=100000"); err != nil {
		return 0, err
	}
	defer b.stop()
	end, err := wait(ctx, all)
	return end.Sub(begin), err
}

// secretReads counts GET and LIST of Secrets.
func (b *bench) secretReads(ctx context.Context) (float64, error) {
	return b.requests(ctx, func(q cluster.Request) bool {
		return q.Resource == "secrets" && (q.Verb == "GET" || q.Verb == "LIST")
	})
}

func (b *bench) requests(ctx context.Context, which func(cluster.Request) bool) (float64, error) {
	counts, err := b.RequestCounts(ctx)
	sum := 0.0
	for request, n := range counts {
		if which(request) {
			sum += n
		}
	}
	return sum, err
}

// idle measures a controller whose identities are all fresh.
func (b *bench) idle(ctx context.Context, size sizes, r *report) error {
	const namespace = "idle"
	if err := b.namespace(ctx, namespace); err != nil {
		return err
	}
	if err := b.fill(ctx, namespace, 0, size.burst); err != nil {
		return err
	}
	if err := b.run(ctx, namespace); err != nil {
		return err
	}
	defer b.stop()
	if err := b.running.WaitReady(ctx, patience); err != nil {
		return err
	}
	b.say("controller: standing still for %s with %d fresh identities", size.idle, size.burst)
	settle, err := b.spent(ctx, 45*time.Second) // the last look at what was just written
	if err != nil {
		return err
	}
	before, err := b.running.Metric(ctx, "rest_client_requests_total{")
	if err != nil {
		return err
	}
	used, err := b.spent(ctx, size.idle)
	if err != nil {
		return err
	}
	after, err := b.running.Metric(ctx, "rest_client_requests_total{")
	if err != nil {
		return err
	}
	percent := 100 * used / size.idle.Seconds()
	r.add(percent < 0.1, fmt.Sprintf("standing still with %d fresh identities: processor time", size.burst), "under 0.1 % of a core", "%.3f %%", percent)
	r.add(after-before <= 2, "the same: requests to the API server in that time", "no list, no polling", "%.0f", after-before)
	r.detail("In the 45 s after a restart over %d fresh identities the controller used %.2f s of processor time.", size.burst, settle)
	return nil
}

// spent is the processor time, in seconds, that the controller uses while nothing is asked of it.
func (b *bench) spent(ctx context.Context, during time.Duration) (float64, error) {
	const metric = "process_cpu_seconds_total"
	before, err := b.running.Metric(ctx, metric)
	if err != nil {
		return 0, err
	}
	timer := time.NewTimer(during)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	after, err := b.running.Metric(ctx, metric)
	return after - before, err
}

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

func percentile(all []time.Duration, p int) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[min(len(sorted)-1, len(sorted)*p/100)]
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

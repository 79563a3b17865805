package main

import (
	"context"
	"fmt"
	"time"

	"kube-aws-iam-controller/test/cluster"
)

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

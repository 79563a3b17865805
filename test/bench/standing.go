package main

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/test/cluster"
	system "kube-aws-iam-controller/test/kit"
)

// restart measures what a restart over fresh identities costs.
func (b *bench) restart(ctx context.Context, size sizes, r *report) error {
	const namespace = "restart"
	if err := b.namespace(ctx, namespace); err != nil {
		return err
	}
	if err := b.fill(ctx, namespace, kinds[0], size.fresh); err != nil {
		return err
	}
	b.stop()
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
	if err = pause(ctx, settled); err != nil {
		return err
	}
	again, err := b.secretReads(ctx)
	if err != nil {
		return err
	}
	calls := b.aws.Counts()["AssumeRole"] - sts
	r.add(calls == 0, fmt.Sprintf("restart over %d fresh identities: STS calls", size.fresh), "0", "%d", calls)
	r.add(again == reads, "the same: reads of a Secret", "0", "%.0f", again-reads)
	r.add(ready <= time.Second, "the same: ready", "within 1 s", "%.2f s", ready.Seconds())
	return nil
}

// unlimited are flags for a controller that is to be as fast as the machine.
var unlimited = []string{"--sts-qps=100000", "--kube-api-qps=100000"}

// fill starts a controller that serves n new objects of a kind, which are there before it, and lets it run on.
func (b *bench) fill(ctx context.Context, namespace string, kind kind, n int) error {
	b.say("controller: %d new %s, STS at once", n, kind.name)
	create := func(ctx context.Context, namespace, name string) error { return kind.create(b, ctx, namespace, name) }
	if err := b.numbered(ctx, namespace, 0, n, create); err != nil {
		return err
	}
	if err := b.run(ctx, namespace, unlimited...); err != nil {
		return err
	}
	err := system.Eventually(ctx, time.Hour, func(ctx context.Context) error { return b.hasSecrets(ctx, namespace, n) })
	if err != nil {
		b.stop()
	}
	return err
}

// hasSecrets returns an error until there are n Secrets in a namespace. It reads one of them, which says how many follow.
func (b *bench) hasSecrets(ctx context.Context, namespace string, n int) error {
	list, err := b.Client().CoreV1().Secrets(namespace).List(ctx, metav1.ListOptions{Limit: 1})
	if err != nil {
		return err
	}
	have := len(list.Items)
	if list.RemainingItemCount != nil {
		have += int(*list.RemainingItemCount)
	}
	if have < n {
		return fmt.Errorf("%d of %d Secrets", have, n)
	}
	return nil
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
	if err := b.fill(ctx, namespace, kinds[0], size.burst); err != nil {
		return err
	}
	b.stop()
	if err := b.run(ctx, namespace); err != nil {
		return err
	}
	defer b.stop()
	if err := b.running.WaitReady(ctx, patience); err != nil {
		return err
	}
	b.say("controller: standing still for %s with %d fresh identities", size.idle, size.burst)
	settle, err := b.spent(ctx, settled)
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
	r.add(percent < 0.05, fmt.Sprintf("standing still with %d fresh identities: processor time", size.burst), "under 0.05 % of a core", "%.3f %%", percent)
	r.add(after-before <= 2, "the same: requests to the API server in that time", "no list, no polling", "%.0f", after-before)
	r.detail("In the 45 s after a restart over %d fresh identities the controller used %.2f s of processor time.", size.burst, settle)
	return nil
}

// spent is the processor time, in seconds, that the controller uses while nothing is asked of it, no metrics either.
func (b *bench) spent(ctx context.Context, during time.Duration) (float64, error) {
	before, err := processorTime(b.running.PID())
	if err != nil {
		return 0, err
	}
	if err = pause(ctx, during); err != nil {
		return 0, err
	}
	after, err := processorTime(b.running.PID())
	return (after - before).Seconds(), err
}

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/test/cluster"
	system "kube-aws-iam-controller/test/kit"
)

const (
	// podRate is how many pods are created a second.
	podRate = 200
	// admissionLimit is a bucket of the API server's own histogram.
	admissionLimit = 100 * time.Millisecond
)

// A way is one by which pods are admitted.
type way struct {
	name      string
	component system.Component
	args      []string // of the controller
}

func ways(ctx context.Context) ([]way, error) {
	port, err := cluster.FreePort(ctx)
	return []way{
		{"the MutatingAdmissionPolicy", system.PolicyComponent(sidecarImage, nil), nil},
		{
			"the webhook", system.WebhookComponent(port),
			[]string{"--webhook-listen-address=127.0.0.1:" + strconv.Itoa(port), "--credentials-server-image=" + sidecarImage},
		},
	}, err
}

// podBurst measures many pods of one new ServiceAccount at once, as a large Job has them. Nothing runs them.
func (b *bench) podBurst(ctx context.Context, size sizes, r *report) error {
	all, err := ways(ctx)
	if err != nil {
		return err
	}
	b.aws.SetLatency(latency)
	defer b.aws.SetLatency(0)
	if err = b.namespace(ctx, "pod-burst-bare"); err != nil {
		return err
	}
	if err = b.createAccount(ctx, "pod-burst-bare", "app-0"); err != nil {
		return err
	}
	bare, err := b.createPods(ctx, "pod-burst-bare", size.podBurst)
	if err != nil {
		return err
	}
	r.detail("%d pods of one ServiceAccount at %d a second, without admission: created in %.1f ms (median), %.1f ms (99th percentile).",
		size.podBurst, podRate, ms(bare.median), ms(bare.high))
	for i, w := range all {
		if err = w.component.Apply(ctx, b.Access); err != nil {
			return err
		}
		err = errors.Join(b.burstBy(ctx, w, fmt.Sprintf("pod-burst-%d", i), size.podBurst, r), w.component.Delete(ctx, b.Access))
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) burstBy(ctx context.Context, w way, namespace string, n int, r *report) error {
	if err := b.namespace(ctx, namespace); err != nil {
		return err
	}
	b.podNamespace = system.Namespace
	if err := b.run(ctx, "", w.args...); err != nil {
		return err
	}
	defer b.stop()
	if err := b.admits(ctx, namespace); err != nil {
		return err
	}
	b.say("%d pods of one ServiceAccount, %d a second, through %s", n, podRate, w.name)
	sts := b.aws.Counts()["AssumeRole"]
	// All that may change an object, with what is asked again: not only what is ours.
	labels := map[string]string{"operation": "CREATE", "type": "admit"}
	const metric = "apiserver_admission_step_admission_duration_seconds"
	before, err := b.Histogram(ctx, metric, labels)
	if err != nil {
		return err
	}
	if err = b.createAccount(ctx, namespace, "app-0"); err != nil {
		return err
	}
	took, err := b.createPods(ctx, namespace, n)
	if err != nil {
		return err
	}
	after, err := b.Histogram(ctx, metric, labels)
	if err != nil {
		return err
	}
	within, err := after.Minus(before).Within(admissionLimit.Seconds())
	if err != nil {
		return err
	}
	calls := b.aws.Counts()["AssumeRole"] - sts
	r.add(within >= 0.99, fmt.Sprintf("%d pods of one new ServiceAccount at %d a second, through %s: admission", n, podRate, w.name),
		"99 % within 100 ms", "%.2f %% (creation as a whole: median %.1f ms, 99th percentile %.1f ms)", 100*within, ms(took.median), ms(took.high))
	r.add(took.refused == 0, "the same, through "+w.name+": pods refused", "0", "%d", took.refused)
	r.add(calls == 1, "the same, through "+w.name+": STS calls", "1", "%d", calls)
	return nil
}

// admits waits until pods are mutated, and the controller has nothing else to do.
func (b *bench) admits(ctx context.Context, namespace string) error {
	if err := b.createAccount(ctx, namespace, "probe"); err != nil {
		return err
	}
	return system.Eventually(ctx, time.Minute, func(ctx context.Context) error {
		_, err := b.Client().CoreV1().Secrets(namespace).Get(ctx, "probe.aws-iam", metav1.GetOptions{})
		if err != nil {
			return err
		}
		pod, err := b.Client().CoreV1().Pods(namespace).Create(ctx, podOf("probe", "probe"), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if err == nil && len(pod.Spec.Volumes) == 0 {
			err = errors.New("pods are not mutated yet")
		}
		return err
	})
}

func podOf(name, account string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       corev1.PodSpec{ServiceAccountName: account, Containers: []corev1.Container{{Name: "app", Image: "registry.example/app"}}},
	}
}

// created is how long the creation of pods took, and how many were refused.
type created struct {
	median, high time.Duration
	refused      int
}

// createPods creates pods of the ServiceAccount app-0 at podRate, however long each takes.
func (b *bench) createPods(ctx context.Context, namespace string, n int) (found created, err error) {
	limiter := rate.NewLimiter(podRate, 1)
	var (
		mu    sync.Mutex
		all   sync.WaitGroup
		times []time.Duration
	)
	for i := range n {
		if err = limiter.Wait(ctx); err != nil {
			break
		}
		all.Go(func() {
			start := time.Now()
			_, refusal := b.Client().CoreV1().Pods(namespace).Create(ctx, podOf("pod-"+strconv.Itoa(i), "app-0"), metav1.CreateOptions{})
			mu.Lock()
			defer mu.Unlock()
			if times = append(times, time.Since(start)); refusal != nil {
				b.say("pod %d: %v", i, refusal)
				found.refused++
			}
		})
	}
	all.Wait()
	if err != nil {
		return found, err
	}
	slices.Sort(times)
	found.median, found.high = times[len(times)/2], times[len(times)*99/100]
	return found, nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/test/cluster"
	"kube-aws-iam-controller/test/system"
)

// crowds are how many annotated ServiceAccounts a pod's own may have beside it.
var crowds = []int{1, 200}

const sidecarImage = "kube-aws-iam-controller:bench"

// admission measures how much later pods are created, one after another, in namespaces with few and many annotated
// ServiceAccounts. Nothing runs them.
func (b *bench) admission(ctx context.Context, size sizes, r *report) error {
	for _, n := range crowds {
		if err := b.crowd(ctx, n); err != nil {
			return err
		}
	}
	without, err := b.pods(ctx, size, false)
	if err != nil {
		return err
	}
	r.detail("Pods created one after another, without admission: median %.1f ms, 99th percentile %.1f ms (1 ServiceAccount), %.1f ms and %.1f ms (200).",
		ms(without[0].median), ms(without[0].high), ms(without[1].median), ms(without[1].high))

	policy := system.PolicyComponent(sidecarImage, nil)
	if err = policy.Apply(ctx, b.Access); err != nil {
		return err
	}
	with, err := b.pods(ctx, size, true)
	if err = errors.Join(err, policy.Delete(ctx, b.Access)); err != nil {
		return err
	}
	added(r, "the MutatingAdmissionPolicy", without, with)

	port, err := cluster.FreePort(ctx)
	if err != nil {
		return err
	}
	webhook := system.WebhookComponent(port)
	if err = webhook.Apply(ctx, b.Access); err != nil {
		return err
	}
	b.podNamespace = system.Namespace
	if err = b.run(ctx, "", "--webhook-listen-address=127.0.0.1:"+strconv.Itoa(port), "--credentials-server-image="+sidecarImage); err != nil {
		return err
	}
	defer b.stop()
	if err = b.crowdsServed(ctx); err != nil {
		return err
	}
	with, err = b.pods(ctx, size, true)
	if err = errors.Join(err, webhook.Delete(ctx, b.Access)); err != nil {
		return err
	}
	added(r, "the webhook", without, with)
	return nil
}

func added(r *report, what string, without, with []spread) {
	for i, n := range crowds {
		r.detail("The same through %s, %d annotated in the namespace: median + %.1f ms, 99th percentile + %.1f ms.",
			what, n, ms(with[i].median-without[i].median), ms(with[i].high-without[i].high))
	}
}

func crowdName(n int) string { return "crowd-" + strconv.Itoa(n) }

// crowd makes a namespace with n annotated ServiceAccounts.
func (b *bench) crowd(ctx context.Context, n int) error {
	if err := b.namespace(ctx, crowdName(n)); err != nil {
		return err
	}
	return many(ctx, n, func(ctx context.Context, i int) error {
		_, err := b.Client().CoreV1().ServiceAccounts(crowdName(n)).Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{
			Name: "app-" + strconv.Itoa(i), Annotations: map[string]string{"iam.amazonaws.com/role": "app"},
		}}, metav1.CreateOptions{})
		return err
	})
}

// crowdsServed waits until the controller has nothing else to do.
func (b *bench) crowdsServed(ctx context.Context) error {
	return system.Eventually(ctx, time.Minute, func(ctx context.Context) error {
		for _, n := range crowds {
			secrets, err := b.Client().CoreV1().Secrets(crowdName(n)).List(ctx, metav1.ListOptions{})
			if err == nil && len(secrets.Items) < n {
				err = fmt.Errorf("%d of %d Secrets", len(secrets.Items), n)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// spread is what many times come to.
type spread struct{ median, high time.Duration }

// pods creates pods in each crowd, once they are mutated as they should be.
func (b *bench) pods(ctx context.Context, size sizes, mutated bool) (found []spread, err error) {
	for _, n := range crowds {
		b.say("%d pods in a namespace with %d annotated ServiceAccounts", size.pods, n)
		if err = system.Eventually(ctx, time.Minute, func(ctx context.Context) error {
			pod, err2 := b.pod(ctx, n, "probe", metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
			if err2 == nil && (len(pod.Spec.Containers[0].Env) > 0) != mutated {
				err2 = errors.New("pods are not admitted as they should be")
			}
			return err2
		}); err != nil {
			return nil, err
		}
		var times []time.Duration
		for i := range size.pods {
			start := time.Now()
			if _, err = b.pod(ctx, n, "pod-"+strconv.Itoa(i), metav1.CreateOptions{}); err != nil {
				return nil, err
			}
			times = append(times, time.Since(start))
		}
		slices.Sort(times)
		found = append(found, spread{times[len(times)/2], times[len(times)*99/100]})
		err = b.Client().CoreV1().Pods(crowdName(n)).DeleteCollection(ctx, metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))}, metav1.ListOptions{})
		if err != nil {
			return nil, fmt.Errorf("delete the pods: %w", err)
		}
	}
	return found, nil
}

func (b *bench) pod(ctx context.Context, n int, name string, options metav1.CreateOptions) (*corev1.Pod, error) {
	return b.Client().CoreV1().Pods(crowdName(n)).Create(ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       corev1.PodSpec{ServiceAccountName: "app-0", Containers: []corev1.Container{{Name: "app", Image: "registry.example/app"}}},
	}, options)
}

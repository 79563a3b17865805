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
	system "kube-aws-iam-controller/test/kit"
)

// A crowd is the ServiceAccounts of a namespace: one that pods run as, which is annotated, and others.
type crowd struct {
	others    int
	annotated bool
}

func (c crowd) String() string {
	if c.annotated {
		return fmt.Sprintf("%d annotated ServiceAccounts", c.others+1)
	}
	return fmt.Sprintf("1 annotated ServiceAccount and %d others", c.others)
}

func (c crowd) namespace() string { return fmt.Sprintf("crowd-%d-%t", c.others+1, c.annotated) }

// crowds are of these sizes, annotated and not.
func crowds(size sizes) (all []crowd) {
	for _, n := range size.crowds {
		all = append(all, crowd{n - 1, true})
	}
	for _, n := range size.crowds {
		if n > 1 {
			all = append(all, crowd{n - 1, false})
		}
	}
	return all
}

const sidecarImage = "kube-aws-iam-controller:bench"

// admission measures how much later pods are created, one after another, in namespaces with few and many ServiceAccounts,
// and how much processor time the API server spends on one. Nothing runs them.
func (b *bench) admission(ctx context.Context, size sizes, r *report) error {
	all := crowds(size)
	for _, c := range all {
		if err := b.crowd(ctx, c); err != nil {
			return err
		}
	}
	without, err := b.pods(ctx, size, all, false)
	if err != nil {
		return err
	}
	for i, c := range all {
		r.detail("Pods created one after another beside %s, without admission: median %.1f ms, 99th percentile %.1f ms, %.1f ms of the API server's processor time.",
			c, ms(without[i].median), ms(without[i].high), ms(without[i].processor))
	}
	if err = b.byPolicy(ctx, size, r, without); err != nil {
		return err
	}
	return b.byWebhook(ctx, size, r, without)
}

// byPolicy measures the policy with ServiceAccounts from before its installation, and once those that ask for nothing are
// labelled.
func (b *bench) byPolicy(ctx context.Context, size sizes, r *report, without []spread) error {
	policy := system.PolicyComponent(sidecarImage, nil)
	if err := policy.Apply(ctx, b.Access); err != nil {
		return err
	}
	all := crowds(size)
	unlabelled := slices.IndexFunc(all, func(c crowd) bool { return !c.annotated })
	with, err := b.pods(ctx, size, all[unlabelled:], true)
	if err != nil {
		return err
	}
	added(r, "the MutatingAdmissionPolicy, from before the installation and without a label", all[unlabelled:], without[unlabelled:], with, nil)
	for _, c := range all {
		if _, err = b.Kubectl(ctx, "label", "serviceaccounts", "--all", "-n", c.namespace(), "--overwrite", "iam.amazonaws.com/requests=unknown"); err != nil {
			return err
		}
	}
	if with, err = b.pods(ctx, size, all, true); err != nil {
		return err
	}
	added(r, "the MutatingAdmissionPolicy", all, without, with, func(annotated int) time.Duration {
		return 4*time.Millisecond + time.Duration(annotated)*150*time.Microsecond
	})
	return policy.Delete(ctx, b.Access)
}

func (b *bench) byWebhook(ctx context.Context, size sizes, r *report, without []spread) error {
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
	all := crowds(size)
	if err = b.crowdsServed(ctx, all); err != nil {
		return err
	}
	with, err := b.pods(ctx, size, all, true)
	if err = errors.Join(err, webhook.Delete(ctx, b.Access)); err != nil {
		return err
	}
	added(r, "the webhook", all, without, with, func(int) time.Duration { return 5 * time.Millisecond })
	return nil
}

// added reports what is added to a pod's creation. Annotated ServiceAccounts have a limit by their number.
func added(r *report, what string, all []crowd, without, with []spread, limit func(annotated int) time.Duration) {
	for i, c := range all {
		if c.annotated {
			most, more := limit(c.others+1), with[i].median-without[i].median
			r.add(more <= most, fmt.Sprintf("creating a pod through %s, %s in its namespace: added to the median", what, c),
				fmt.Sprintf("%.1f ms", ms(most)), "%.1f ms (to %.1f ms)", ms(more), ms(without[i].median))
		}
		r.detail("The same through %s, %s: median + %.1f ms, 99th percentile + %.1f ms, processor time + %.1f ms.",
			what, c, ms(with[i].median-without[i].median), ms(with[i].high-without[i].high), ms(with[i].processor-without[i].processor))
	}
}

// crowd makes a namespace with ServiceAccounts, of which app-0 is annotated.
func (b *bench) crowd(ctx context.Context, c crowd) error {
	if err := b.namespace(ctx, c.namespace()); err != nil {
		return err
	}
	if err := b.createAccount(ctx, c.namespace(), "app-0"); err != nil {
		return err
	}
	create := b.createOther
	if c.annotated {
		create = b.createAccount
	}
	return b.numbered(ctx, c.namespace(), 1, c.others, create)
}

// crowdsServed waits until the controller has nothing else to do.
func (b *bench) crowdsServed(ctx context.Context, all []crowd) error {
	return system.Eventually(ctx, 5*time.Minute, func(ctx context.Context) error {
		for _, c := range all {
			want := 1
			if c.annotated {
				want += c.others
			}
			secrets, err := b.Client().CoreV1().Secrets(c.namespace()).List(ctx, metav1.ListOptions{})
			if err == nil && len(secrets.Items) < want {
				err = fmt.Errorf("%d of %d Secrets", len(secrets.Items), want)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// spread is what many times come to, and the API server's processor time for each.
type spread struct{ median, high, processor time.Duration }

// pods creates pods beside each crowd, once they are mutated as they should be.
func (b *bench) pods(ctx context.Context, size sizes, all []crowd, mutated bool) (found []spread, err error) {
	for _, c := range all {
		b.say("%d pods in a namespace with %s", size.pods, c)
		if err = b.awaitMutation(ctx, c, mutated); err != nil {
			return nil, err
		}
		one, err := b.timePods(ctx, c, size.pods)
		if err != nil {
			return nil, err
		}
		found = append(found, one)
	}
	return found, nil
}

func (b *bench) awaitMutation(ctx context.Context, c crowd, mutated bool) error {
	return system.Eventually(ctx, time.Minute, func(ctx context.Context) error {
		pod, err := b.pod(ctx, c, "probe", metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if err == nil && (len(pod.Spec.Containers[0].Env) > 0) != mutated {
			err = errors.New("pods are not admitted as they should be")
		}
		return err
	})
}

// enough is how long pods are created beside one crowd, if one takes so long that n are too many.
const enough = 15 * time.Second

func (b *bench) timePods(ctx context.Context, c crowd, n int) (found spread, err error) {
	before, err := b.apiServerProcessor(ctx)
	if err != nil {
		return found, err
	}
	var times []time.Duration
	for begin := time.Now(); len(times) < n && time.Since(begin) < enough; {
		start := time.Now()
		if _, err = b.pod(ctx, c, "pod-"+strconv.Itoa(len(times)), metav1.CreateOptions{}); err != nil {
			return found, err
		}
		times = append(times, time.Since(start))
	}
	after, err := b.apiServerProcessor(ctx)
	if err != nil {
		return found, err
	}
	slices.Sort(times)
	err = b.Client().CoreV1().Pods(c.namespace()).DeleteCollection(ctx, metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))}, metav1.ListOptions{})
	if err != nil {
		err = fmt.Errorf("delete the pods: %w", err)
	}
	return spread{times[len(times)/2], times[len(times)*99/100], (after - before) / time.Duration(len(times))}, err
}

// apiServerProcessor is the processor time that the API server has used, by its own word.
func (b *bench) apiServerProcessor(ctx context.Context) (time.Duration, error) {
	seconds, err := b.Metric(ctx, "process_cpu_seconds_total", nil)
	return time.Duration(seconds * float64(time.Second)), err
}

func (b *bench) pod(ctx context.Context, c crowd, name string, options metav1.CreateOptions) (*corev1.Pod, error) {
	return b.Client().CoreV1().Pods(c.namespace()).Create(ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       corev1.PodSpec{ServiceAccountName: "app-0", Containers: []corev1.Container{{Name: "app", Image: "registry.example/app"}}},
	}, options)
}

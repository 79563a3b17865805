package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"kube-aws-iam-controller/test/image"
	system "kube-aws-iam-controller/test/kit"
	"kube-aws-iam-controller/test/node"
)

const readyNamespace = "ready"

// A readiness is one kind of pods whose way to Ready is measured.
type readiness struct {
	delivery string // "" for pods without credentials
	fresh    bool   // the ServiceAccount is created just before the pod
	idle     bool   // it has a sidecar that does nothing
}

func (k readiness) String() string {
	switch {
	case k.idle:
		return "without credentials, with a sidecar that does nothing"
	case k.delivery == "":
		return "without credentials"
	case k.fresh:
		return k.delivery + ", ServiceAccount created with the pod"
	default:
		return k.delivery + ", credentials are there"
	}
}

// limit is how much later such a pod may be Ready than one without credentials.
func (k readiness) limit() time.Duration {
	if k.delivery == "endpoint" {
		return 100 * time.Millisecond
	}
	return 50 * time.Millisecond
}

// plain is what all others are compared with. withSidecar shows what the kubelet and the container runtime take for one more
// container, whatever it does.
var (
	plain       = readiness{}
	withSidecar = readiness{idle: true}
)

// readinesses are all kinds.
var readinesses = []readiness{
	plain, withSidecar,
	{delivery: "process"}, {delivery: "file"}, {delivery: "endpoint"},
	{delivery: "process", fresh: true}, {delivery: "file", fresh: true}, {delivery: "endpoint", fresh: true},
}

// podReady measures how much later pods of a real node are Ready if they have credentials.
func (b *bench) podReady(ctx context.Context, size sizes, r *report) error {
	n, err := b.startNode(ctx)
	if errors.Is(err, node.ErrUnsupported) {
		r.detail("Pods on a node, from creation to Ready: not measured, %v.", err)
		return nil
	}
	if err != nil {
		return err
	}
	defer n.stop() //nolint:contextcheck // also when ctx is done
	took := map[readiness][]time.Duration{}
	for i := range size.ready {
		b.say("pods on a node: round %d of %d", i+1, size.ready)
		for _, j := range rand.Perm(len(readinesses)) { //nolint:gosec // not a secret
			kind := readinesses[j]
			one, err := n.ready(ctx, kind, fmt.Sprintf("app-%d-%d", i, j))
			if err != nil {
				return fmt.Errorf("pod %s: %w", kind, err)
			}
			took[kind] = append(took[kind], one)
		}
	}
	without := percentile(took[plain], 50)
	for _, kind := range readinesses {
		if kind.delivery == "" {
			continue
		}
		bare := fmt.Sprintf("without credentials (%.0f ms)", ms(without))
		if kind.delivery == "endpoint" {
			bare = fmt.Sprintf("without credentials (%.0f ms; with a sidecar that does nothing + %.0f ms)", ms(without), ms(percentile(took[withSidecar], 50)-without))
		}
		added := percentile(took[kind], 50) - without
		r.add(added <= kind.limit(), fmt.Sprintf("pod on a node from creation to Ready, %s, median of %d", kind, size.ready),
			fmt.Sprintf("without credentials + %.0f ms", ms(kind.limit())), "%s + %.0f ms", bare, ms(added))
	}
	for _, kind := range readinesses {
		r.detail("Pods on a node from creation to Ready, %s, in ms: %s.", kind, sorted(took[kind]))
	}
	return n.late(ctx, size, r)
}

func sorted(times []time.Duration) string {
	var all []string
	for _, t := range slices.Sorted(slices.Values(times)) {
		all = append(all, fmt.Sprintf("%.0f", ms(t)))
	}
	return strings.Join(all, " ")
}

// A nodeBench is a node, and a controller that serves one namespace of its cluster.
type nodeBench struct {
	*node.Node

	bench      *bench
	controller *system.Controller
}

func (b *bench) startNode(ctx context.Context) (*nodeBench, error) {
	b.say("starting a node")
	started, err := node.Start(ctx, b.progress)
	if err != nil {
		return nil, err
	}
	n := &nodeBench{Node: started, bench: b}
	if err = n.prepare(ctx); err != nil {
		n.stop() //nolint:contextcheck // also when ctx is done
		return nil, err
	}
	return n, nil
}

// prepare installs the policy, the sidecar's image and a controller, and waits for the identities that are to be there.
func (n *nodeBench) prepare(ctx context.Context) error {
	kubeconfig, err := system.Install(ctx, n.Access)
	if err != nil {
		return err
	}
	if _, err = n.Client().CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: readyNamespace}}, metav1.CreateOptions{}); err != nil {
		return err
	}
	made, err := image.Make(ctx, image.Options{Programs: image.Product, Version: "bench", Platform: node.Platform()})
	if err != nil {
		return err
	}
	if err = errors.Join(n.Import(ctx, sidecarImage, made), system.PolicyComponent(sidecarImage, nil).Apply(ctx, n.Access)); err != nil {
		return err
	}
	n.bench.aws.SetLatency(latency)
	n.controller, err = system.StartController(ctx, system.Options{
		Binary: n.bench.binary, Kubeconfig: kubeconfig, Env: n.bench.aws.ControllerEnv(), Log: filepath.Join(n.bench.dir, "node-controller.log"),
		Args: []string{"--cluster-name=" + clusterName, "--namespace=" + readyNamespace, "--permissions-boundary=" + n.bench.aws.Boundary},
	})
	if err != nil {
		return err
	}
	for _, kind := range readinesses {
		if kind.fresh || kind.idle {
			continue // created with the pod, or that of plain
		}
		if err = n.account(ctx, kind, kind.existing()); err == nil && kind.delivery != "" {
			err = n.awaitServed(ctx, kind.existing())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// existing is the ServiceAccount that is there, of all pods of a kind.
func (k readiness) existing() string { return "there" + k.delivery }

func (n *nodeBench) account(ctx context.Context, kind readiness, name string) error {
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if kind.delivery != "" {
		account.Annotations = map[string]string{"iam.amazonaws.com/role": "app", "iam.amazonaws.com/delivery": kind.delivery}
	}
	_, err := n.Client().CoreV1().ServiceAccounts(readyNamespace).Create(ctx, account, metav1.CreateOptions{})
	return err
}

// awaitServed waits until a ServiceAccount has its Secret, and pods of it are mutated.
func (n *nodeBench) awaitServed(ctx context.Context, account string) error {
	return system.Eventually(ctx, time.Minute, func(ctx context.Context) error {
		if _, err := n.Client().CoreV1().Secrets(readyNamespace).Get(ctx, account+".aws-iam", metav1.GetOptions{}); err != nil {
			return err
		}
		pod, err := n.Client().CoreV1().Pods(readyNamespace).Create(ctx, nodePod("probe", account), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if err == nil && !hasCredentials(pod) {
			err = errors.New("pods are not mutated yet")
		}
		return err
	})
}

func nodePod(name, account string) *corev1.Pod {
	pod := podOf(name, account)
	pod.Spec.Containers[0].Image, pod.Spec.Containers[0].ImagePullPolicy = node.PauseImage, corev1.PullNever
	return pod
}

func hasCredentials(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == "aws-iam-credentials" })
}

// ready creates a pod, and its ServiceAccount just before if that is to be new, and returns after what time it is Ready.
func (n *nodeBench) ready(ctx context.Context, kind readiness, name string) (time.Duration, error) {
	account := kind.existing()
	// The kubelet looks at its containers once a second. Pods that follow each other at once would all begin right after that.
	if err := pause(ctx, rand.N(time.Second)); err != nil { //nolint:gosec // not a secret
		return 0, err
	}
	if kind.fresh {
		account = name
		if err := n.account(ctx, kind, name); err != nil {
			return 0, err
		}
	}
	pod := nodePod(name, account)
	if kind.idle {
		sidecar := pod.Spec.Containers[0]
		sidecar.Name, sidecar.RestartPolicy = "idle", new(corev1.ContainerRestartPolicyAlways)
		pod.Spec.InitContainers = []corev1.Container{sidecar}
	}
	return n.timed(ctx, pod, kind.delivery != "")
}

// timed creates a pod, returns after what time it is Ready, and takes it away.
func (n *nodeBench) timed(ctx context.Context, pod *corev1.Pod, mutated bool) (time.Duration, error) {
	pods := n.Client().CoreV1().Pods(readyNamespace)
	watching, err := pods.Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + pod.Name})
	if err != nil {
		return 0, err
	}
	defer watching.Stop()
	begin := time.Now()
	made, err := pods.Create(ctx, pod, metav1.CreateOptions{})
	if err == nil && hasCredentials(made) != mutated {
		err = errors.New("it is not admitted as it should be")
	}
	if err != nil {
		return 0, err
	}
	took, err := untilReady(ctx, watching, begin)
	if err != nil {
		return 0, err
	}
	if err = pods.Delete(ctx, pod.Name, metav1.DeleteOptions{GracePeriodSeconds: new(int64(1))}); err != nil {
		return 0, err
	}
	return took, system.Eventually(ctx, time.Minute, func(ctx context.Context) error {
		_, err := pods.Get(ctx, pod.Name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return errors.Join(err, errors.New("the pod is still there"))
	})
}

func untilReady(ctx context.Context, watching watch.Interface, begin time.Time) (time.Duration, error) {
	for {
		select {
		case event, open := <-watching.ResultChan():
			if !open {
				return 0, errors.New("the watch of the pod ended")
			}
			if pod, is := event.Object.(*corev1.Pod); is && isReady(pod) {
				return time.Since(begin), nil
			}
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

func isReady(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

func (n *nodeBench) stop() {
	n.bench.aws.SetLatency(0)
	if n.controller != nil {
		n.controller.Kill()
	}
	if err := n.Stop(); err != nil {
		n.bench.say("%v", err)
	}
}

package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
)

// calls are what the programs in a namespace print of their calls of AWS, from the first call of each to its last.
type calls struct {
	*world

	pods corelisters.PodNamespaceLister

	mu       sync.Mutex
	programs map[string]*program // by pod, container and restart
	reading  sync.WaitGroup
}

// A program is what one container has printed.
type program struct {
	pod, container string
	session        string // the ARN of the last one
	failures       []string
	ended          bool // by itself, and says that no call has failed
}

// follow reads the logs of all containers of the namespace, those to come included.
func (w *world) follow() *calls {
	w.t.Helper()
	factory := informers.NewSharedInformerFactoryWithOptions(w.Client(), 0, informers.WithNamespace(w.namespace))
	pods := factory.Core().V1().Pods()
	c := &calls{world: w, pods: pods.Lister().Pods(w.namespace), programs: map[string]*program{}}
	ctx, cancel := context.WithCancel(w.t.Context())
	see := func(object any) {
		if pod, is := object.(*corev1.Pod); is {
			c.see(ctx, pod)
		}
	}
	_, err := pods.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: see, UpdateFunc: func(_, object any) { see(object) }, DeleteFunc: see})
	require.NoError(w.t, err)
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	w.t.Cleanup(func() { cancel(); factory.Shutdown(); c.reading.Wait() })
	return c
}

// see begins with the containers of a pod that have begun, and notes how others have ended. The kubelet says that before the
// pod goes; of a log it may miss the last lines.
func (c *calls) see(ctx context.Context, pod *corev1.Pod) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range pod.Status.ContainerStatuses {
		status := &pod.Status.ContainerStatuses[i]
		id := fmt.Sprintf("%s %s %d", pod.Name, status.Name, status.RestartCount)
		if done := status.State.Terminated; done != nil && c.programs[id] != nil {
			c.programs[id].ended = done.ExitCode == 0
		}
		if c.programs[id] != nil || status.State.Running == nil {
			continue
		}
		p := &program{pod: pod.Name, container: status.Name}
		c.programs[id] = p
		c.reading.Go(func() { c.read(ctx, p) })
	}
}

func (c *calls) read(ctx context.Context, p *program) {
	log, err := c.Client().CoreV1().Pods(c.namespace).GetLogs(p.pod, &corev1.PodLogOptions{Container: p.container, Follow: true}).Stream(ctx)
	if err != nil {
		c.line(p, "FAILED: the log cannot be read: "+err.Error())
		return
	}
	defer func() { _ = log.Close() }()
	for lines := bufio.NewScanner(log); lines.Scan(); {
		c.line(p, lines.Text())
	}
}

func (c *calls) line(p *program, text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, arn, isSession := strings.Cut(text, " is ")
	switch {
	case strings.HasPrefix(text, sessionLine) && isSession:
		p.session = arn
	case text == "begins":
	default:
		p.failures = append(p.failures, text)
	}
}

// await returns once a workload is one pod whose programs all have sessions that match a pattern, and nothing is left of the
// pods before. Until then no call has failed.
func (c *calls) await(app, pattern string) {
	c.t.Helper()
	c.eventually(func(context.Context) error {
		if c.anyFailed() {
			return nil
		}
		pods, err := c.pods.List(labels.SelectorFromSet(labels.Set{"app": app}))
		if err != nil || len(pods) != 1 {
			return errors.Join(err, fmt.Errorf("%s has %d pods", app, len(pods)))
		}
		sessions := c.sessionsOf(pods[0].Name)
		for _, container := range pods[0].Spec.Containers {
			if got := sessions[container.Name]; !regexp.MustCompile(pattern).MatchString(got) {
				err = errors.Join(err, fmt.Errorf("%s of %s is %q and not %s", container.Name, pods[0].Name, got, pattern))
			}
		}
		return err
	})
	c.assertNoneFailed()
}

// sessionsOf returns the sessions of a pod's containers.
func (c *calls) sessionsOf(pod string) map[string]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	found := map[string]string{}
	for _, p := range c.programs {
		if p.pod == pod {
			found[p.container] = p.session
		}
	}
	return found
}

func (c *calls) anyFailed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.programs {
		if len(p.failures) > 0 {
			return true
		}
	}
	return false
}

func (c *calls) assertNoneFailed() {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.programs {
		require.Empty(c.t, p.failures, "%s of %s, whose last session is %s", p.container, p.pod, p.session)
	}
}

// end takes all pods away, and asserts that each program has ended by itself, without a failed call.
func (c *calls) end() {
	c.t.Helper()
	_, err := c.Kubectl(c.t.Context(), "scale", "deployment", "--all", "--replicas=0", "-n", c.namespace)
	require.NoError(c.t, err)
	c.eventually(func(context.Context) error {
		pods, err := c.pods.List(labels.Everything())
		if err == nil && len(pods) > 0 {
			err = fmt.Errorf("%s is still there", pods[0].Name)
		}
		return err
	})
	c.reading.Wait()
	c.assertNoneFailed()
	for _, p := range c.programs {
		assert.True(c.t, p.ended, "%s of %s has not ended by itself, without a failed call", p.container, p.pod)
	}
	c.t.Logf("%d programs have called AWS", len(c.programs))
}

package admission

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	burst    = 2000
	parallel = 200 // as many as an API server has under way
	// durations is kube-apiserver's own histogram of how long the webhook took, which has a bucket of 100 ms.
	durations = "apiserver_admission_webhook_admission_duration_seconds_"
)

// webhookTook returns how many pods the API server has asked the webhook about, and how many of them took less than 100 ms.
func (w *world) webhookTook(t *testing.T) (all, quick float64) {
	t.Helper()
	text, err := w.Client().CoreV1().RESTClient().Get().AbsPath("/metrics").DoRaw(t.Context())
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, durations) || !strings.Contains(line, `name="pods.iam.amazonaws.com"`) {
			continue
		}
		fields := strings.Fields(line)
		n, err := strconv.ParseFloat(fields[len(fields)-1], 64)
		require.NoError(t, err)
		switch {
		case strings.HasPrefix(line, durations+"count"):
			all += n
		case strings.Contains(line, `le="0.1"`):
			quick += n
		}
	}
	return all, quick
}

func TestABurstOfPodsIsAdmitted(t *testing.T) {
	w := newUnprepared(t, shared.Get(t))
	require.NoError(t, w.Furnish(t.Context(), probe.Name, corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{
		Name: "probe", Annotations: map[string]string{"iam.amazonaws.com/role": "probe"},
	}}, corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{
		Name: "malformed", Annotations: map[string]string{"iam.amazonaws.com/role": "probe", "iam.amazonaws.com/delivery": "none of them"},
	}}, corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "plain"}}))
	h := newWebhook(t, w)
	h.start(t)
	w.Await(t, true)
	for _, name := range []string{"probe", "plain"} {
		t.Run(name, func(t *testing.T) {
			pod := probe.Given.DeepCopy()
			pod.Spec.ServiceAccountName = name
			all, quick := w.webhookTook(t)
			took := w.inParallel(t, burst, parallel, pod)
			after, quickAfter := w.webhookTook(t)
			t.Logf("%d pods: median %s, 99th percentile %s; %.2f %% of the webhook's answers within 100 ms", len(took),
				took[len(took)/2].Round(time.Millisecond), took[len(took)*99/100].Round(time.Millisecond), 100*(quickAfter-quick)/(after-all))
			one := w.inParallel(t, 200, 1, pod)
			t.Logf("one after the other: median %s", one[len(one)/2].Round(10*time.Microsecond))
		})
	}
}

// inParallel has the API server admit pods, all of them, and returns how long each took, in order.
func (w *world) inParallel(t *testing.T, number, workers int, pod *corev1.Pod) (took []time.Duration) {
	t.Helper()
	var mu sync.Mutex
	var all sync.WaitGroup
	var refused error
	next := make(chan struct{})
	for range workers {
		all.Go(func() {
			for range next {
				start := time.Now()
				_, err := w.Create(context.WithoutCancel(t.Context()), &probe, pod)
				mu.Lock()
				took, refused = append(took, time.Since(start)), errors.Join(refused, err)
				mu.Unlock()
			}
		})
	}
	for range number {
		next <- struct{}{}
	}
	close(next)
	all.Wait()
	require.NoError(t, refused)
	slices.Sort(took)
	return took
}

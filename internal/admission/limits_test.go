package admission

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"

	"kube-aws-iam-controller/internal/admission/admissiontest"
	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// podOf returns a pod with n containers.
func podOf(n int) *corev1.Pod {
	pod := &corev1.Pod{}
	for i := range n {
		pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: fmt.Sprintf("app-%d", i)})
	}
	return pod
}

func TestSkippingManyNamesOfManyContainersIsLinear(t *testing.T) {
	took := func(pod *corev1.Pod) time.Duration {
		pod.Annotations = map[string]string{api.SkipContainersAnnotation: strings.Repeat("x-12,", 200_000)}
		text, err := json.Marshal(pod)
		require.NoError(t, err)
		start := time.Now()
		p, err := Read(text)
		require.NoError(t, err)
		_, err = Inject(p, identity.Injection{Delivery: identity.DeliverFile}, Settings{})
		require.ErrorContains(t, err, "the pod has 200001 names in iam.amazonaws.com/skip-containers; a pod that is given credentials may have at most 1000: reduce this")
		return time.Since(start)
	}
	one := took(podOf(1))
	assert.Less(t, took(podOf(maxContainers)), 10*one)
}

func TestPodWithTooManyContainersIsRefused(t *testing.T) {
	inject := func(pod *corev1.Pod, delivery identity.Delivery) (Patch, error) {
		return Inject(read(t, pod), identity.Injection{Account: "app", SecretName: "app.aws-iam", Delivery: delivery}, Settings{Sidecar: Sidecar{Image: image}})
	}
	for _, delivery := range []identity.Delivery{identity.DeliverProcess, identity.DeliverFile, identity.DeliverEndpoint} {
		patch, err := inject(podOf(maxContainers), delivery)
		require.NoError(t, err)
		text, err := json.Marshal(patch)
		require.NoError(t, err)
		assert.Less(t, len(text), 1<<20)
		again, err := inject(apply(t, podOf(maxContainers), patch), delivery)
		require.NoError(t, err)
		assert.Empty(t, again, "the sidecar does not count")

		pod := podOf(maxContainers)
		pod.Spec.InitContainers = []corev1.Container{{Name: "setup"}}
		_, err = inject(pod, delivery)
		var refused *RefusedError
		require.ErrorAs(t, err, &refused)
		assert.Equal(t, "ServiceAccount app: the pod has 501 containers and init containers; a pod that is given credentials may have at most 500: "+
			`reduce this, or opt the pod out with the label iam.amazonaws.com/inject: "false"`, refused.Message)
		pod.Labels = map[string]string{api.InjectLabel: "false"}
		patch, err = inject(pod, delivery)
		require.NoError(t, err)
		assert.Empty(t, patch)
	}
	patch, err := inject(podOf(60_000), identity.DeliverNone)
	require.NoError(t, err)
	assert.Empty(t, patch)
}

func TestPodsAtALimitAreGivenCredentialsAndComeAgain(t *testing.T) {
	for _, delivery := range []identity.Delivery{identity.DeliverProcess, identity.DeliverEndpoint} {
		injection := identity.Injection{Account: "app", SecretName: "app.aws-iam", Delivery: delivery, Region: "eu-central-1"}
		settings := Settings{Sidecar: Sidecar{Image: image}}
		for _, limit := range admissiontest.Limits() {
			pod := limit.Pod("app", limit.Most)
			patch, err := Inject(read(t, pod), injection, settings)
			require.NoError(t, err, limit.Of)
			require.NotEmpty(t, patch)
			again, err := Inject(read(t, apply(t, pod, patch)), injection, settings)
			require.NoError(t, err, "%s: what it was given does not count", limit.Of)
			assert.Empty(t, again)

			_, err = Inject(read(t, limit.Pod("app", limit.Most+1)), injection, settings)
			assert.EqualError(t, err, "ServiceAccount app: "+limit.Refusal)
		}
	}
}

func TestAPodWithAForeignVolumeIsNotRefusedForItsSize(t *testing.T) {
	pod := podOf(maxContainers + 1)
	pod.Spec.Volumes = []corev1.Volume{{Name: VolumeName}}
	patch, err := Inject(read(t, pod), identity.Injection{Account: "app", SecretName: "app.aws-iam", Delivery: identity.DeliverProcess}, Settings{})
	require.NoError(t, err)
	assert.Empty(t, patch)
}

// large is the size of the bodies, of the 3 MiB that the API server accepts: what is kept
// does not depend on it, and the race detector makes each item expensive.
const large = 1 << 20

// hostilePods returns pods that would take many times their size if they were decoded
// into corev1's types.
func hostilePods() map[string]string {
	repeated := func(text string) string { return "[" + strings.Repeat(text+",", large/(len(text)+1)) + text + "]" }
	return map[string]string{
		"containers":       `{"spec":{"containers":` + repeated(`{}`) + `}}`,
		"init containers":  `{"spec":{"initContainers":` + repeated(`null`) + `}}`,
		"volumes":          `{"spec":{"volumes":` + repeated(`{}`) + `}}`,
		"our volumes":      `{"spec":{"volumes":` + repeated(`{"name":"aws-iam-credentials"}`) + `}}`,
		"volume items":     `{"spec":{"volumes":[{"name":"aws-iam-credentials","secret":{"items":` + repeated(`{}`) + `}}]}}`,
		"variables":        `{"spec":{"containers":[{"env":` + repeated(`{}`) + `}]}}`,
		"our variables":    `{"spec":{"containers":[{"env":` + repeated(`{"name":"AWS_REGION"}`) + `}]}}`,
		"mounts":           `{"spec":{"containers":[{"volumeMounts":` + repeated(`{}`) + `}]}}`,
		"our mounts":       `{"spec":{"containers":[{"volumeMounts":` + repeated(`{"mountPath":"/meta/aws-iam/x"}`) + `}]}}`,
		"tolerations":      `{"spec":{"tolerations":` + repeated(`{}`) + `}}`,
		"owner references": `{"metadata":{"ownerReferences":` + repeated(`{}`) + `}}`,
		"labels":           `{"metadata":{"labels":{` + strings.Repeat(`"a":"",`, large/8) + `"iam.amazonaws.com/inject":"true"}}}`,
		"names to skip":    `{"metadata":{"annotations":{"iam.amazonaws.com/skip-containers":"` + strings.Repeat("a,", large/2) + `"}}}`,
		"resources":        `{"spec":{"containers":[{"resources":{"limits":{` + strings.Repeat(`"a":"1",`, large/8) + `"cpu":"1"}}}]}}`,
		"a long quantity":  `{"spec":{"containers":[{"resources":{"limits":{"cpu":"` + strings.Repeat("9", large) + `"}}}]}}`,
		"a large quantity": `{"spec":{"containers":[{"resources":{"requests":{"cpu":"1e999999999"},"limits":{"cpu":"2","memory":"1"}}}]}}`,
		"a node selector":  `{"spec":{"nodeSelector":{` + strings.Repeat(`"a":"",`, large/8) + `"kubernetes.io/os":"linux"}}}`,
		"a long path":      `{"spec":{"containers":[{"volumeMounts":[{"mountPath":"` + strings.Repeat("/meta/..", large/8) + `"}]}]}}`,
		"a long name":      `{"metadata":{"name":"` + strings.Repeat("a", large) + `"}}`,
		"a long account":   `{"spec":{"serviceAccountName":"` + strings.Repeat("a", large) + `"}}`,
	}
}

func TestDecodedPodIsSmall(t *testing.T) {
	heap := func() int64 {
		var stats runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&stats)
		return int64(stats.HeapAlloc)
	}
	for title, text := range hostilePods() {
		t.Run(title, func(t *testing.T) {
			body := []byte(text)
			before := heap()
			pod, err := Read(body)
			require.NoError(t, err)
			assert.Less(t, heap()-before, int64(large/8))
			runtime.KeepAlive(pod)
			runtime.KeepAlive(body)
		})
	}
}

func TestLargeBodiesReadAtOnceAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := testWebhook(nil, nil)
		h.Observe = func(string) {}
		post := func(body io.Reader, length int64) *httptest.ResponseRecorder {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, Path, body)
			r.ContentLength = length
			r.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			return w
		}
		const good = `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"1"}}`
		var senders []io.Closer
		for range maxAPIServerBodies {
			body, sender := io.Pipe()
			senders = append(senders, sender)
			go post(body, -1)
		}
		synctest.Wait()
		assert.Equal(t, http.StatusOK, post(strings.NewReader(good), int64(len(good))).Code, "a small body does not wait")
		start := time.Now()
		unread := strings.NewReader(good)
		assert.Equal(t, http.StatusServiceUnavailable, post(unread, smallBody+1).Code)
		assert.Equal(t, waitTimeout, time.Since(start))
		assert.Equal(t, len(good), unread.Len())
		for _, sender := range senders {
			require.NoError(t, sender.Close())
		}
		synctest.Wait()
		assert.Equal(t, http.StatusOK, post(strings.NewReader(good), smallBody+1).Code, "the semaphore is released")
	})
}

func TestWaitingForABodyEndsWithTheRequest(t *testing.T) {
	var few limits
	r := httptest.NewRequest(http.MethodPost, Path, strings.NewReader(strings.Repeat(" ", smallBody+1)))
	for range maxAPIServerBodies {
		_, err := few.acquireBody(r, client{})
		require.NoError(t, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := few.acquireBody(r.WithContext(ctx), client{})
	require.ErrorIs(t, err, context.Canceled)
}

func TestSlowBodyTimesOut(t *testing.T) {
	for title, protocols := range map[string][]string{"HTTP/1": {"http/1.1"}, "HTTP/2": {"h2"}} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			var observed atomic.Int32
			h := testWebhook(nil, nil)
			h.Observe = func(string) { observed.Add(1) }
			server := httptest.NewUnstartedServer(h)
			server.EnableHTTP2 = true
			server.StartTLS()
			defer server.Close()
			defer server.CloseClientConnections()
			client := server.Client()
			client.Timeout = 5 * bodyTimeout
			transport, is := client.Transport.(*http.Transport)
			require.True(t, is)
			transport.TLSClientConfig.NextProtos = protocols
			transport.ForceAttemptHTTP2 = protocols[0] == "h2"
			body, sender := io.Pipe()
			defer sender.Close()
			go func() { _, _ = sender.Write(bytes.Repeat([]byte(" "), smallBody)) }()
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+Path, body)
			require.NoError(t, err)
			r.Header.Set("Content-Type", "application/json")
			start := time.Now()
			response, err := client.Do(r)
			assert.Less(t, time.Since(start), 2*bodyTimeout)
			if err == nil { // otherwise the connection was closed
				assert.Equal(t, http.StatusBadRequest, response.StatusCode)
				require.NoError(t, response.Body.Close())
			}
			require.Eventually(t, func() bool { return observed.Load() == 1 }, bodyTimeout, 10*time.Millisecond)
		})
	}
}

func TestAnswerMayTakeLongerThanTheBodyTimeout(t *testing.T) {
	var results []string
	h := testWebhook(&results, nil)
	lookedUp := make(chan error, 1)
	h.Injection = func(ctx context.Context, _, _, _ string) (*identity.Injection, error) {
		select {
		case <-ctx.Done():
		case <-time.After(bodyTimeout + 200*time.Millisecond):
		}
		lookedUp <- ctx.Err()
		return nil, nil //nolint:nilnil // nothing to inject
	}
	server := httptest.NewServer(h)
	defer server.Close()
	review := admissionv1.AdmissionReview{Request: createRequest()}
	review.SetGroupVersionKind(admissionv1.SchemeGroupVersion.WithKind("AdmissionReview"))
	body, err := json.Marshal(review)
	require.NoError(t, err)
	response, err := server.Client().Post(server.URL, "application/json", bytes.NewReader(body))
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	assert.NoError(t, <-lookedUp)
	assert.Equal(t, http.StatusOK, response.StatusCode)
}

func TestOnlyOneContainerMoreIsTheSidecar(t *testing.T) {
	injection := identity.Injection{Account: "app", SecretName: "app.aws-iam", Delivery: identity.DeliverEndpoint}
	settings := Settings{Sidecar: Sidecar{Image: image}}
	pod := podOf(maxContainers)
	patch, err := Inject(read(t, pod), injection, settings)
	require.NoError(t, err)
	pod = apply(t, pod, patch)
	pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: "one-more"})
	_, err = Inject(read(t, pod), injection, settings)
	assert.ErrorContains(t, err, "the pod has 502 containers")
}

func TestALongNameIsNotCutToAnother(t *testing.T) {
	longest := strings.Repeat("a", maxNameLength)
	assert.Equal(t, longest, truncate(longest))
	cut := truncate(longest + "bc")
	assert.NotEqual(t, longest, cut)
	assert.Len(t, cut, maxNameLength+1)
}

func TestAPodWithoutANameIsLoggedByThePrefix(t *testing.T) {
	pod, err := Read([]byte(`{"metadata":{"generateName":"app-"}}`))
	require.NoError(t, err)
	assert.Equal(t, "app-", pod.Name)
}

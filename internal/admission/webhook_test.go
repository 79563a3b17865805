package admission

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-kit/log"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"kube-aws-iam-controller/internal/identity"
)

// testWebhook returns a webhook that appends the results of its requests, and whose
// ServiceAccounts all ask for credentials unless err is set.
func testWebhook(results *[]string, err error) *Webhook {
	return &Webhook{
		IsAPIServer: func(*http.Request) bool { return true },
		Injection: func(_ context.Context, _, _, name string) (*identity.Injection, error) {
			return &identity.Injection{Account: name, SecretName: name + ".aws-iam", Delivery: identity.DeliverProcess}, err
		},
		Observe:         func(result string) { *results = append(*results, result) },
		ObserveDuration: func(time.Duration) {},
		Logger:          log.NewNopLogger(),
	}
}

// createRequest returns the request to create a pod, after the changes.
func createRequest(changes ...func(*admissionv1.AdmissionRequest)) *admissionv1.AdmissionRequest {
	r := &admissionv1.AdmissionRequest{
		UID: "1", Namespace: namespace, Operation: admissionv1.Create,
		Resource: metav1.GroupVersionResource{Version: "v1", Resource: "pods"},
		Object:   runtime.RawExtension{Raw: []byte(`{"spec":{"containers":[{"name":"app"}]}}`)},
	}
	for _, change := range changes {
		change(r)
	}
	return r
}

func TestPodIsNotAdmittedIfItsServiceAccountCannotBeRead(t *testing.T) {
	var results []string
	response := post(t, testWebhook(&results, errors.New("the API server is unavailable")), createRequest())
	assert.False(t, response.Allowed)
	assert.Contains(t, response.Result.Message, "the API server is unavailable")
	assert.EqualValues(t, http.StatusInternalServerError, response.Result.Code)
	assert.Equal(t, []string{Failed}, results)
}

func TestOnlyPodCreationIsMutated(t *testing.T) {
	for title, change := range map[string]func(*admissionv1.AdmissionRequest){
		"an update":        func(r *admissionv1.AdmissionRequest) { r.Operation = admissionv1.Update },
		"a subresource":    func(r *admissionv1.AdmissionRequest) { r.SubResource = "ephemeralcontainers" },
		"another resource": func(r *admissionv1.AdmissionRequest) { r.Resource.Resource = "configmaps" },
		"a mirror pod": func(r *admissionv1.AdmissionRequest) {
			r.Object.Raw = []byte(`{"metadata":{"annotations":{"` + corev1.MirrorPodAnnotationKey + `":"x"}}}`)
		},
	} {
		t.Run(title, func(t *testing.T) {
			var results []string
			response := post(t, testWebhook(&results, errors.New("no ServiceAccount is looked up")), createRequest(change))
			assert.True(t, response.Allowed)
			assert.Nil(t, response.Patch)
			assert.Equal(t, []string{Unchanged}, results)
		})
	}
}

func TestDurationIsThatOfTheWholeRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var results []string
		var took []time.Duration
		h := testWebhook(&results, nil)
		h.AllowUnknown = func(*http.Request) bool { time.Sleep(time.Second); return true }
		h.IsAPIServer = nil
		h.Injection = func(context.Context, string, string, string) (*identity.Injection, error) {
			time.Sleep(time.Second)
			return nil, errors.New("away")
		}
		h.ObserveDuration = func(d time.Duration) { took = append(took, d) }
		post(t, h, createRequest())
		assert.Equal(t, []time.Duration{2 * time.Second}, took, "also of one that failed")
	})
}

func TestInvalidPodIsNotAdmitted(t *testing.T) {
	var results []string
	response := post(t, testWebhook(&results, nil), createRequest(func(r *admissionv1.AdmissionRequest) {
		r.Object.Raw = []byte(`{"spec":{"containers":"none"}}`)
	}))
	assert.False(t, response.Allowed)
	assert.Equal(t, []string{Failed}, results)
}

func TestInvalidReviewIsABadRequest(t *testing.T) {
	good := `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"1"}}`
	for title, c := range map[string]struct{ kind, body string }{
		"no Content-Type":      {"", good},
		"another Content-Type": {"text/plain", good},
		"invalid JSON":         {"application/json", "{"},
		"no request":           {"application/json", strings.ReplaceAll(good, "request", "response")},
		"no UID":               {"application/json", strings.ReplaceAll(good, `"1"`, `""`)},
		"another version":      {"application/json", strings.ReplaceAll(good, "/v1", "/v1beta1")},
		"too large":            {"application/json", good + strings.Repeat(" ", maxBody)},
	} {
		t.Run(title, func(t *testing.T) {
			var results []string
			r := httptest.NewRequest(http.MethodPost, Path, strings.NewReader(c.body))
			r.Header.Set("Content-Type", c.kind)
			w := httptest.NewRecorder()
			testWebhook(&results, nil).ServeHTTP(w, r)
			assert.Equal(t, http.StatusBadRequest, w.Code)
			assert.Equal(t, []string{Failed}, results)
		})
	}
}

func TestEndpointWithoutASidecarImageIsRefused(t *testing.T) {
	pod, err := Read([]byte(`{"spec":{"containers":[{"name":"app"}]}}`))
	require.NoError(t, err)
	_, err = Inject(pod, identity.Injection{Account: "app", Delivery: identity.DeliverEndpoint}, Settings{})
	assert.ErrorContains(t, err, "names no image")
}

// FuzzInject injects into any pod: Inject does not panic, removes nothing, and changes
// nothing the second time.
func FuzzInject(f *testing.F) {
	f.Add(`{"spec":{"containers":[{"name":"app","env":[{"name":"AWS_REGION"}]}]}}`, "process", "eu-central-1")
	f.Add(`{"metadata":{"annotations":{"iam.amazonaws.com/skip-containers":" a,,b "}},"spec":{"initContainers":[{"name":"a"}]}}`, "endpoint", "")
	f.Add(`{"spec":{"containers":[{"name":"a","env":null},null],"volumes":null},"metadata":{"labels":null}}`, "endpoint", "")
	f.Add(`{"spec":{"volumes":[{"name":"aws-iam-credentials"}],"containers":[{"volumeMounts":[{"mountPath":"/meta/aws-iam/"}]}]}}`, "file", "")
	f.Fuzz(func(t *testing.T, text, delivery, region string) {
		var pod corev1.Pod
		if json.Unmarshal([]byte(text), &pod) != nil {
			return
		}
		injection := identity.Injection{Account: "app", SecretName: "app.aws-iam", Delivery: identity.Delivery(delivery), Region: region}
		patch, err := Inject(read(t, &pod), injection, Settings{Sidecar: Sidecar{Image: image}})
		if err != nil {
			require.Nil(t, patch)
			return
		}
		made := apply(t, &pod, patch)
		require.GreaterOrEqual(t, len(made.Spec.Containers), len(pod.Spec.Containers))
		again, err := Inject(read(t, made), injection, Settings{Sidecar: Sidecar{Image: image}})
		require.NoError(t, err)
		require.Empty(t, again)
	})
}

// read decodes a pod as the API server posts it.
func read(t *testing.T, pod *corev1.Pod) *Pod {
	t.Helper()
	text, err := json.Marshal(pod)
	require.NoError(t, err)
	made, err := Read(text)
	require.NoError(t, err)
	return made
}

// FuzzReview posts any body: every pod of the cluster may.
func FuzzReview(f *testing.F) {
	review := func(pod string) string {
		return `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"1","namespace":"ns","operation":"CREATE",` +
			`"resource":{"group":"","version":"v1","resource":"pods"},"object":` + pod + `}}`
	}
	for _, body := range []string{
		review(`{"spec":{"containers":[{"name":"app"}]}}`), review("null"), review("[]"), review(`{"spec":{"containers":[null,{}]}}`),
		review(`{"metadata":{"labels":[],"annotations":{"a":1}}}`), review(`{"spec":{"volumes":{},"containers":"x"}}`), "", "{}", "\xff", `{"request":null}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var results []string
		request := httptest.NewRequest(http.MethodPost, Path, strings.NewReader(string(body)))
		request.Header.Set("Content-Type", "application/json")
		recorder := httptest.NewRecorder()
		testWebhook(&results, nil).ServeHTTP(recorder, request)
		require.Len(t, results, 1, "every request has one result")
		if recorder.Code != http.StatusOK {
			require.Equal(t, []string{Failed}, results)
			return
		}
		var answer admissionv1.AdmissionReview
		require.NoError(t, json.Unmarshal(recorder.Body.Bytes(), &answer))
		require.NotNil(t, answer.Response)
		require.Equal(t, answer.Response.Allowed, results[0] == Mutated || results[0] == Unchanged)
		require.Equal(t, results[0] == Mutated, len(answer.Response.Patch) > 0)
	})
}

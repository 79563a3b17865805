package admission

import (
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/metadata/fake"
	"k8s.io/client-go/tools/cache"

	"kube-aws-iam-controller/internal/admission/admissiontest"
	"kube-aws-iam-controller/internal/config"
	"kube-aws-iam-controller/internal/serviceaccount"
)

var update = flag.Bool("update", false, "update the expected pods in testdata")

const (
	namespace = "team"
	image     = "registry.example/kube-aws-iam-controller:v1"
)

func TestCases(t *testing.T) {
	cases, err := admissiontest.Load("testdata")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(cases), 40)
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			got, refusal := admit(t, &c, c.Given)
			if *update {
				require.NoError(t, c.Update(got, refusal))
				return
			}
			assert.Equal(t, c.Refusal, refusal)
			assert.Equal(t, c.Wanted, got)
			if got != nil {
				again, refusal := admit(t, &c, got)
				assert.Empty(t, refusal)
				assert.Equal(t, got, again, "the second time changes nothing")
			}
		})
	}
}

// admit returns the pod as it is admitted, or nil and why it is refused.
func admit(t *testing.T, c *admissiontest.Case, pod *corev1.Pod) (made *corev1.Pod, refusal string) {
	t.Helper()
	raw, err := json.Marshal(pod)
	require.NoError(t, err)
	response := post(t, newWebhook(t, c), &admissionv1.AdmissionRequest{
		UID: "1", Namespace: namespace, Operation: admissionv1.Create,
		Resource: metav1.GroupVersionResource{Version: "v1", Resource: "pods"}, Object: runtime.RawExtension{Raw: raw},
	})
	if !response.Allowed {
		return nil, response.Result.Message
	}
	var patch Patch
	if response.Patch != nil {
		require.NoError(t, json.Unmarshal(response.Patch, &patch))
	}
	return apply(t, pod, patch), ""
}

// apply applies a patch to a pod.
func apply(t *testing.T, pod *corev1.Pod, patch Patch) (made *corev1.Pod) {
	t.Helper()
	raw, err := json.Marshal(pod)
	require.NoError(t, err)
	operations, err := json.Marshal(patch)
	require.NoError(t, err)
	decoded, err := jsonpatch.DecodePatch(operations)
	require.NoError(t, err)
	raw, err = decoded.Apply(raw)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(raw, &made))
	return made
}

// newWebhook returns a webhook in a cluster with the ServiceAccounts of a case.
func newWebhook(t *testing.T, c *admissiontest.Case) *Webhook {
	t.Helper()
	scheme := fake.NewTestScheme()
	_ = metav1.AddMetaToScheme(scheme)
	var objects []runtime.Object
	for i := range c.Accounts {
		meta := c.Accounts[i].ObjectMeta
		meta.Namespace = namespace
		objects = append(objects, &metav1.PartialObjectMetadata{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ServiceAccount"}, ObjectMeta: meta,
		})
	}
	// The cache lags behind: it has no annotations yet.
	lagging := cache.NewSharedIndexInformer(&cache.ListWatch{}, &metav1.PartialObjectMetadata{}, 0, nil)
	_ = lagging.GetStore().Add(cache.ExplicitKey(namespace + "/app"))
	configured := parse(t, c.Settings)
	accounts := serviceaccount.NewSource(nil, lagging, serviceaccount.Config{
		Annotations: serviceaccount.Annotations{IRSA: configured.IRSAAnnotations.Read()},
		Lookup:      fake.NewSimpleMetadataClient(scheme, objects...),
	})
	return &Webhook{
		Settings:    settings(configured),
		Injection:   accounts.Injection,
		IsAPIServer: func(*http.Request) bool { return true },
		Observe:     func(string) {},

		ObserveDuration: func(time.Duration) {},
		Logger:          log.NewNopLogger(),
	}
}

// parse returns the configuration with the flags of a case.
func parse(t *testing.T, some admissiontest.Settings) config.Config {
	t.Helper()
	var args []string
	for name, value := range some.Variables() {
		args = append(args, "--"+strings.ToLower(strings.ReplaceAll(name, "_", "-"))+"="+value)
	}
	_, c, err := config.Parse(args, io.Discard)
	require.NoError(t, err)
	return c
}

// settings returns the webhook's settings.
func settings(c config.Config) Settings {
	return Settings{DefaultRegion: c.DefaultRegion, Sidecar: Sidecar{
		Image: image, ImagePullPolicy: c.SidecarPullPolicy,
		Requests: c.SidecarRequests, Limits: c.SidecarLimits, SecurityContext: c.SidecarSecurityContext,
	}}
}

// post sends a request as the API server does.
func post(t *testing.T, h http.Handler, request *admissionv1.AdmissionRequest) *admissionv1.AdmissionResponse {
	t.Helper()
	review := admissionv1.AdmissionReview{Request: request}
	review.SetGroupVersionKind(admissionv1.SchemeGroupVersion.WithKind("AdmissionReview"))
	body, err := json.Marshal(review)
	require.NoError(t, err)
	r := httptest.NewRequest(http.MethodPost, Path, strings.NewReader(string(body)))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	var answer admissionv1.AdmissionReview
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer))
	assert.Equal(t, request.UID, answer.Response.UID)
	assert.Equal(t, review.TypeMeta, answer.TypeMeta)
	return answer.Response
}

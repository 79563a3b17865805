package admission

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/internal/admission/admissiontest"
	"kube-aws-iam-controller/internal/identity"
)

// benchmarkPod is a pod of ordinary size.
func benchmarkPod(b *testing.B) []byte {
	b.Helper()
	cases, err := admissiontest.Load("testdata")
	if err != nil {
		b.Fatal(err)
	}
	for i := range cases {
		if cases[i].Name != "containers" {
			continue
		}
		raw, err := json.Marshal(cases[i].Given)
		if err != nil {
			b.Fatal(err)
		}
		return raw
	}
	b.Fatal("there is no such case")
	return nil
}

// BenchmarkInject counts what deciding about a pod costs that has been read.
func BenchmarkInject(b *testing.B) {
	pod, err := Read(benchmarkPod(b))
	if err != nil {
		b.Fatal(err)
	}
	for _, delivery := range []identity.Delivery{identity.DeliverProcess, identity.DeliverEndpoint} {
		b.Run(string(delivery), func(b *testing.B) {
			injection := identity.Injection{Account: "app", SecretName: "app.aws-iam", Delivery: delivery}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Inject(pod, injection, Settings{Sidecar: Sidecar{Image: image}}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkReview counts the whole of a request: reading the review, deciding and writing
// the answer.
func BenchmarkReview(b *testing.B) {
	review, err := json.Marshal(admissionv1.AdmissionReview{
		TypeMeta: reviewType,
		Request: createRequest(func(r *admissionv1.AdmissionRequest) {
			r.Resource = metav1.GroupVersionResource(corev1.SchemeGroupVersion.WithResource("pods"))
			r.Object.Raw = benchmarkPod(b)
		}),
	})
	if err != nil {
		b.Fatal(err)
	}
	var results []string
	h := testWebhook(&results, nil)
	b.ReportAllocs()
	for b.Loop() {
		results = results[:0]
		r := httptest.NewRequest(http.MethodPost, Path, bytes.NewReader(review))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != http.StatusOK || len(results) != 1 || results[0] != Mutated {
			b.Fatal(w.Code, results, w.Body.String())
		}
	}
}

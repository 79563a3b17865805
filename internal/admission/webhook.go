package admission

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/internal/identity"
)

// Path is where the API server posts pods.
const Path = "/mutate-pods"

// maxReview is more than the API server lets a request and its object have.
const maxReview = 8 << 20

// Results of requests, as metrics count them.
const (
	Mutated   = "mutated"
	Unchanged = "unchanged"
	Refused   = "refused"
	Failed    = "error"
)

// A Webhook answers the API server's AdmissionReviews:
// https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/.
type Webhook struct {
	Settings Settings
	// Account returns what the pods of a ServiceAccount are given, nil if
	// nothing. An *identity.InvalidError says that it cannot be understood.
	Account func(ctx context.Context, namespace, name string) (*identity.Injection, error)
	// Observe is told the result of each request.
	Observe func(result string)
	Logger  log.Logger
}

// ServeHTTP implements http.Handler. Whatever goes wrong, the answer is not
// "yes": a pod is never created without what its ServiceAccount asks for.
func (h *Webhook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	review, problem := decode(w, r)
	if problem != "" {
		h.Observe(Failed)
		http.Error(w, problem, http.StatusBadRequest)
		return
	}
	response := h.review(r.Context(), review.Request)
	response.UID = review.Request.UID
	answer, err := json.Marshal(admissionv1.AdmissionReview{TypeMeta: review.TypeMeta, Response: response})
	if err != nil {
		http.Error(w, "cannot write the answer", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(answer) // to a client that may be gone
}

// decode returns the review that was posted, or what is wrong with it. Nothing
// of it is repeated: any pod of the cluster may post anything.
func decode(w http.ResponseWriter, r *http.Request) (review admissionv1.AdmissionReview, problem string) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return review, "the Content-Type has to be application/json"
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxReview))
	if err != nil {
		return review, "the body cannot be read"
	}
	if json.Unmarshal(body, &review) != nil || review.Request == nil || review.Request.UID == "" ||
		review.GroupVersionKind() != admissionv1.SchemeGroupVersion.WithKind("AdmissionReview") {
		return review, "the body has to be an AdmissionReview of admission.k8s.io/v1 with a request"
	}
	return review, ""
}

// review decides on one request.
func (h *Webhook) review(ctx context.Context, request *admissionv1.AdmissionRequest) *admissionv1.AdmissionResponse {
	patch, name, err := h.inject(ctx, request)
	var refused *RefusedError
	switch {
	case errors.As(err, &refused):
		h.Observe(Refused)
		return denied(http.StatusForbidden, metav1.StatusReasonForbidden, refused.Message)
	case err != nil:
		h.Observe(Failed)
		level.Error(h.Logger).Log("msg", "a pod was not admitted", "namespace", request.Namespace, "pod", identity.Cut(name), "err", err)
		return denied(http.StatusInternalServerError, metav1.StatusReasonInternalError,
			"the credentials of the pod's ServiceAccount cannot be wired, try again: "+err.Error())
	case len(patch) == 0:
		h.Observe(Unchanged)
		return &admissionv1.AdmissionResponse{Allowed: true}
	}
	text, err := json.Marshal(patch)
	if err != nil {
		h.Observe(Failed)
		return denied(http.StatusInternalServerError, metav1.StatusReasonInternalError, "cannot write the patch")
	}
	h.Observe(Mutated)
	kind := admissionv1.PatchTypeJSONPatch
	return &admissionv1.AdmissionResponse{Allowed: true, Patch: text, PatchType: &kind}
}

// inject returns what is to be done to the pod of a request, and what it is called.
func (h *Webhook) inject(ctx context.Context, request *admissionv1.AdmissionRequest) (patch Patch, name string, err error) {
	if request.Operation != admissionv1.Create || request.SubResource != "" ||
		request.Resource != metav1.GroupVersionResource(corev1.SchemeGroupVersion.WithResource("pods")) {
		return nil, "", nil
	}
	var pod corev1.Pod
	if json.Unmarshal(request.Object.Raw, &pod) != nil {
		return nil, "", errors.New("the pod cannot be read")
	}
	name = cmp.Or(pod.Name, pod.GenerateName)
	if leftAlone(&pod) {
		return nil, name, nil
	}
	account := cmp.Or(pod.Spec.ServiceAccountName, "default")
	give, err := h.Account(ctx, request.Namespace, account)
	var invalid *identity.InvalidError
	switch {
	case errors.As(err, &invalid):
		return nil, name, &RefusedError{Message: fmt.Sprintf("ServiceAccount %s: %s", account, invalid.Message)}
	case err != nil || give == nil:
		return nil, name, err
	}
	patch, err = Inject(&pod, *give, h.Settings)
	return patch, name, err
}

func denied(code int32, reason metav1.StatusReason, message string) *admissionv1.AdmissionResponse {
	return &admissionv1.AdmissionResponse{Result: &metav1.Status{
		Status: metav1.StatusFailure, Code: code, Reason: reason, Message: message,
	}}
}

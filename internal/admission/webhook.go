package admission

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/internal/identity"
)

// Path is where the API server posts pods.
const Path = "/mutate-pods"

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

	turns turns
}

// ServeHTTP implements http.Handler. Whatever goes wrong, the answer is not
// "yes": a pod is never created without what its ServiceAccount asks for.
func (h *Webhook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	posted, problem := h.read(w, r)
	if problem != nil {
		h.Observe(Failed)
		http.Error(w, problem.says, problem.code)
		return
	}
	response := h.review(r.Context(), posted)
	response.UID = posted.uid
	answer, err := json.Marshal(admissionv1.AdmissionReview{TypeMeta: reviewType, Response: response})
	if err != nil {
		http.Error(w, "cannot write the answer", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(answer) // to a client that may be gone
}

// review decides on one request.
func (h *Webhook) review(ctx context.Context, posted *question) *admissionv1.AdmissionResponse {
	patch, err := h.inject(ctx, posted)
	var refused *RefusedError
	switch {
	case errors.As(err, &refused):
		h.Observe(Refused)
		return denied(http.StatusForbidden, metav1.StatusReasonForbidden, refused.Message)
	case err != nil:
		h.Observe(Failed)
		level.Error(h.Logger).Log("msg", "a pod was not admitted", "namespace", identity.Cut(posted.namespace), "pod", identity.Cut(posted.pod.Name), "err", err)
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

// inject returns what is to be done to the pod that was posted.
func (h *Webhook) inject(ctx context.Context, posted *question) (Patch, error) {
	switch {
	case posted.err != nil:
		return nil, posted.err
	case posted.pod.leftAlone:
		return nil, nil
	}
	account := posted.pod.Account
	give, err := h.Account(ctx, posted.namespace, account)
	var invalid *identity.InvalidError
	switch {
	case errors.As(err, &invalid):
		return nil, &RefusedError{Message: fmt.Sprintf("ServiceAccount %s: %s", account, invalid.Message)}
	case err != nil || give == nil:
		return nil, err
	}
	return Inject(posted.pod, *give, h.Settings)
}

func denied(code int32, reason metav1.StatusReason, message string) *admissionv1.AdmissionResponse {
	return &admissionv1.AdmissionResponse{Result: &metav1.Status{
		Status: metav1.StatusFailure, Code: code, Reason: reason, Message: message,
	}}
}

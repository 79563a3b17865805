package admission

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/go-kit/log"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/internal/identity"
)

// Path is where the API server posts pods. If the path is to prove that a request
// is the API server's, a secret token follows.
const Path = "/mutate-pods"

// Results of requests, as the metrics label them.
const (
	Mutated   = "mutated"
	Unchanged = "unchanged"
	Refused   = "refused"
	Failed    = "error"
	// Unknown is a request that was not answered because it is not the API server's.
	Unknown = "unknown"
)

// A Webhook answers the API server's AdmissionReviews:
// https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/.
type Webhook struct {
	Settings Settings
	// Injection returns what the pods of a ServiceAccount are given, nil for nothing.
	// An *identity.InvalidError says that the ServiceAccount's annotations are invalid.
	// unknownClient is the address of the client, "" if it is the API server.
	Injection func(ctx context.Context, unknownClient, namespace, account string) (*identity.Injection, error)
	// IsAPIServer says whether a request comes from the API server. If it is nil, all
	// clients are unknown.
	IsAPIServer func(*http.Request) bool
	// AllowUnknown says whether a request of an unknown client is answered, because
	// it may be the API server's after all. It may take a moment to say no. If it is
	// nil, all are answered.
	AllowUnknown func(*http.Request) bool
	// Observe is called with the result of each request.
	Observe func(result string)
	// ObserveDuration is called with how long each request took, but for those whose
	// result is Unknown.
	ObserveDuration func(time.Duration)
	Logger          log.Logger

	limits limits
	// failures limits the log lines about pods of the API server, unknownFailures
	// those about all others.
	failures, unknownFailures failureLimiter
}

// ServeHTTP implements http.Handler. Whatever goes wrong, the pod is not admitted:
// it must not be created without what its ServiceAccount asks for.
func (h *Webhook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	begun := time.Now()
	from, release, failed := h.identify(r)
	if failed != nil {
		h.Observe(Unknown)
		http.Error(w, failed.message, failed.code)
		return
	}
	defer release()
	defer func() { h.ObserveDuration(time.Since(begun)) }()
	posted, failed := h.read(w, r, from)
	if failed != nil {
		h.Observe(Failed)
		http.Error(w, failed.message, failed.code)
		return
	}
	response := h.review(r.Context(), from, posted)
	response.UID = posted.uid
	answer, err := json.Marshal(admissionv1.AdmissionReview{TypeMeta: reviewType, Response: response})
	if err != nil {
		http.Error(w, "cannot write the answer", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(answer) // the client may be gone
}

// review decides about a request and records the result.
func (h *Webhook) review(ctx context.Context, from client, posted *request) *admissionv1.AdmissionResponse {
	patch, err := h.inject(ctx, from, posted)
	var refused *RefusedError
	switch {
	case errors.As(err, &refused):
		h.Observe(Refused)
		return denied(http.StatusForbidden, metav1.StatusReasonForbidden, refused.Message)
	case err != nil:
		h.Observe(Failed)
		h.logFailure(from, posted, err)
		return denied(http.StatusInternalServerError, metav1.StatusReasonInternalError,
			"credentials for the pod's ServiceAccount could not be injected; try again: "+err.Error())
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
	patchType := admissionv1.PatchTypeJSONPatch
	return &admissionv1.AdmissionResponse{Allowed: true, Patch: text, PatchType: &patchType}
}

// inject returns the patch for the pod of a request.
func (h *Webhook) inject(ctx context.Context, from client, posted *request) (Patch, error) {
	switch {
	case posted.err != nil:
		return nil, posted.err
	case posted.pod.excluded:
		return nil, nil
	}
	account := posted.pod.Account
	injection, err := h.Injection(ctx, from.address, posted.namespace, account)
	var invalid *identity.InvalidError
	switch {
	case errors.As(err, &invalid):
		return nil, &RefusedError{Message: fmt.Sprintf("ServiceAccount %s: %s", account, invalid.Message)}
	case err != nil || injection == nil:
		return nil, err
	}
	return Inject(posted.pod, *injection, h.Settings)
}

func denied(code int32, reason metav1.StatusReason, message string) *admissionv1.AdmissionResponse {
	return &admissionv1.AdmissionResponse{Result: &metav1.Status{
		Status: metav1.StatusFailure, Code: code, Reason: reason, Message: message,
	}}
}

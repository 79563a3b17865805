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

// Path is where the API server posts pods, or below which, where it is to be known
// by that.
const Path = "/mutate-pods"

// Results of requests, as metrics count them.
const (
	Mutated   = "mutated"
	Unchanged = "unchanged"
	Refused   = "refused"
	Failed    = "error"
	// Unknown are those of callers that are not the API server.
	Unknown = "unknown"
)

// A Webhook answers the API server's AdmissionReviews:
// https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/.
type Webhook struct {
	Settings Settings
	// Account returns what the pods of a ServiceAccount are given, nil if
	// nothing. An *identity.InvalidError says that it cannot be understood. stranger
	// is the address of who asks, "" for the API server.
	Account func(ctx context.Context, stranger, namespace, name string) (*identity.Injection, error)
	// Known says whether a request is the API server's, nil for no telling. Open
	// says whether the API server may be among those who are not known, and may
	// take a moment to say no; nil for always.
	Known func(*http.Request) bool
	Open  func(*http.Request) bool
	// Observe is told the result of each request.
	Observe func(result string)
	Logger  log.Logger

	turns turns
	// complaints are about pods of the API server, and about others.
	complaints, strange complaints
}

// ServeHTTP implements http.Handler. Whatever goes wrong, the answer is not
// "yes": a pod is never created without what its ServiceAccount asks for.
func (h *Webhook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	from, leave, problem := h.enter(r)
	if problem != nil {
		h.Observe(Unknown)
		http.Error(w, problem.says, problem.code)
		return
	}
	defer leave()
	posted, problem := h.read(w, r, from)
	if problem != nil {
		h.Observe(Failed)
		http.Error(w, problem.says, problem.code)
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
	_, _ = w.Write(answer) // to a client that may be gone
}

// review decides on one request.
func (h *Webhook) review(ctx context.Context, from caller, posted *question) *admissionv1.AdmissionResponse {
	patch, err := h.inject(ctx, from, posted)
	var refused *RefusedError
	switch {
	case errors.As(err, &refused):
		h.Observe(Refused)
		return denied(http.StatusForbidden, metav1.StatusReasonForbidden, refused.Message)
	case err != nil:
		h.Observe(Failed)
		h.complain(from, posted, err)
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

// complain logs that a pod was not admitted, unless that was logged often enough.
func (h *Webhook) complain(from caller, posted *question, err error) {
	about, every, atOnce := &h.complaints, complainEvery, complaintsAtOnce
	if !from.known() {
		about, every, atOnce = &h.strange, strangeComplaintEvery, strangeComplaintsAtOnce
	}
	if now, unsaid := about.say(every, atOnce); now {
		level.Error(h.Logger).Log("msg", "a pod was not admitted", "namespace", identity.Cut(posted.namespace), "pod", identity.Cut(posted.pod.Name),
			"unsaid", unsaid, "err", err)
	}
}

// inject returns what is to be done to the pod that was posted.
func (h *Webhook) inject(ctx context.Context, from caller, posted *question) (Patch, error) {
	switch {
	case posted.err != nil:
		return nil, posted.err
	case posted.pod.leftAlone:
		return nil, nil
	}
	account := posted.pod.Account
	give, err := h.Account(ctx, from.address, posted.namespace, account)
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

package admission

import (
	"encoding/json"
	"errors"
	"mime"
	"net/http"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// reviewType is the type of a review, both of what is posted and of the answer.
var reviewType = metav1.TypeMeta{APIVersion: admissionv1.SchemeGroupVersion.String(), Kind: "AdmissionReview"}

// A request is the part of an AdmissionReview that is read.
type request struct {
	uid       types.UID
	namespace string
	// pod is the pod to be created. If the review is about anything else it is an
	// excluded pod, which is admitted unchanged.
	pod *Pod
	// err says that the pod cannot be read.
	err error
}

// An httpError is the answer to what is not a review. It repeats nothing of what
// was posted: any pod of the cluster may post anything.
type httpError struct {
	code    int
	message string
}

// read returns the request of a review. Its body is not kept: few are in memory at
// once, and a slow look-up of a ServiceAccount must not keep others from being read.
func (h *Webhook) read(w http.ResponseWriter, r *http.Request, from client) (*request, *httpError) {
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || mediaType != "application/json" {
		return nil, &httpError{http.StatusBadRequest, "the Content-Type has to be application/json"}
	}
	var posted *request
	if failed := h.limits.readBody(w, r, from, func(body []byte) { posted = decode(body) }); failed != nil {
		return nil, failed
	}
	if posted == nil {
		return nil, &httpError{http.StatusBadRequest, "the body has to be an AdmissionReview of admission.k8s.io/v1 with a request"}
	}
	return posted, nil
}

// decode decodes a review. It returns nil if the body is none.
func decode(body []byte) *request {
	var review struct {
		metav1.TypeMeta `json:",inline"`

		Request struct {
			UID         types.UID                   `json:"uid"`
			Namespace   string                      `json:"namespace"`
			Resource    metav1.GroupVersionResource `json:"resource"`
			SubResource string                      `json:"subResource"`
			Operation   admissionv1.Operation       `json:"operation"`
			Object      json.RawMessage             `json:"object"`
		} `json:"request"`
	}
	req := &review.Request
	if json.Unmarshal(body, &review) != nil || review.TypeMeta != reviewType || req.UID == "" {
		return nil
	}
	posted := &request{uid: types.UID(truncate(string(req.UID))), namespace: truncate(req.Namespace), pod: &Pod{excluded: true}}
	if req.Operation != admissionv1.Create || req.SubResource != "" ||
		req.Resource != metav1.GroupVersionResource(corev1.SchemeGroupVersion.WithResource("pods")) {
		return posted
	}
	pod, err := Read(req.Object)
	if err != nil {
		posted.err = errors.New("the pod cannot be read")
		return posted
	}
	posted.pod = pod
	return posted
}

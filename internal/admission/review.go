package admission

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

const (
	// maxReview is more than a review of a pod has that can be created: the API
	// server takes requests of 3 MiB, stores half of that, and the review of a
	// creation holds the object once, with little around it.
	maxReview = 7 << 19
	// readWithin is how long a body may take once its turn has come. The API
	// server is in the same network, and has it in memory.
	readWithin = 2 * time.Second
)

// reviewType is that of what is posted and of the answer.
var reviewType = metav1.TypeMeta{APIVersion: admissionv1.SchemeGroupVersion.String(), Kind: "AdmissionReview"}

// A question is what is read of a review: which pod is to be created, one that
// is left alone if none is.
type question struct {
	uid       types.UID
	namespace string
	pod       *Pod
	// err says that the pod cannot be read.
	err error
}

// A problem is what is wrong with a request that cannot be answered. Nothing of
// the request is repeated: any pod of the cluster may post anything.
type problem struct {
	code int
	says string
}

// read returns what was posted, or what is wrong with it. The body is gone
// by then: only so many are in memory at once, and looking up a ServiceAccount,
// for which others may have to be waited for, keeps nobody from being read.
func (h *Webhook) read(w http.ResponseWriter, r *http.Request, from caller) (*question, *problem) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return nil, &problem{http.StatusBadRequest, "the Content-Type has to be application/json"}
	}
	done, err := h.turns.take(r, from)
	if err != nil {
		return nil, &problem{http.StatusServiceUnavailable, "too many large bodies at once, try again"}
	}
	defer done()
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(readWithin)) // a recorder of a test has none
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxReview))
	if err != nil {
		return nil, &problem{http.StatusBadRequest, "the body cannot be read: it is too large or came too slowly"}
	}
	// It is the body's alone: the answer may take longer.
	_ = control.SetReadDeadline(time.Time{})
	posted := decode(body)
	if posted == nil {
		return nil, &problem{http.StatusBadRequest, "the body has to be an AdmissionReview of admission.k8s.io/v1 with a request"}
	}
	return posted, nil
}

// decode reads a review, nil if it is none.
func decode(body []byte) *question {
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
	request := &review.Request
	if json.Unmarshal(body, &review) != nil || review.TypeMeta != reviewType || request.UID == "" {
		return nil
	}
	posted := &question{uid: types.UID(short(string(request.UID))), namespace: short(request.Namespace), pod: &Pod{leftAlone: true}}
	if request.Operation != admissionv1.Create || request.SubResource != "" ||
		request.Resource != metav1.GroupVersionResource(corev1.SchemeGroupVersion.WithResource("pods")) {
		return posted
	}
	pod, err := Read(request.Object)
	if err != nil {
		posted.err = errors.New("the pod cannot be read")
		return posted
	}
	posted.pod = pod
	return posted
}

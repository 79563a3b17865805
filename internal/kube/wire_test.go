package kube

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/go-kit/log"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/record"
)

// sent is what a client sends.
type sent struct {
	method, url, body string
	header            http.Header
}

// listening starts an API server that has nothing, and returns what is sent to it meanwhile.
func listening(t *testing.T) (url string, during func(func()) []sent) {
	t.Helper()
	var all []sent
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		all = append(all, sent{r.Method, r.URL.String(), string(body), r.Header})
		w.Header().Set("Content-Type", "application/json")
		fail(w, http.StatusNotFound, metav1.StatusReasonNotFound)
	}))
	t.Cleanup(s.Close)
	return s.URL, func(send func()) []sent {
		all = nil
		send()
		return all
	}
}

// TestRequestsAreThoseOfTheClientset compares the clients with client-go's clientset, which
// has all types.
func TestRequestsAreThoseOfTheClientset(t *testing.T) {
	url, during := listening(t)
	clients, err := Connect(Options{APIServer: url, QPS: 1000, UserAgent: "test/v1", Logger: log.NewNopLogger()})
	require.NoError(t, err)
	clientset := func(work *rest.Config) kubernetes.Interface {
		work.Host, work.UserAgent, work.QPS = url, "test/v1", -1
		work.ContentType = runtime.ContentTypeProtobuf
		work.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
		c, err := kubernetes.NewForConfig(work)
		require.NoError(t, err)
		return c
	}
	theirs, theirLease := clientset(&rest.Config{Timeout: requestTimeout}), clientset(&rest.Config{Timeout: leaseTimeout})
	ctx := context.Background()
	uid := types.UID("u1")
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "a"}, Type: corev1.SecretTypeOpaque, Data: map[string][]byte{"key": []byte("value")}}
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "a"}, Spec: coordinationv1.LeaseSpec{HolderIdentity: new("me")}}
	event := &corev1.Event{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "a"}, Reason: "Because"}
	pending := metav1.ListOptions{FieldSelector: "status.phase=Pending", Limit: 20, Continue: "more"}
	manager := metav1.PatchOptions{FieldManager: "me"}
	deletion := metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}}
	tokens, access := &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: "t"}},
		&authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{User: "u"}}
	self := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		NonResourceAttributes: &authorizationv1.NonResourceAttributes{Path: "/", Verb: "get"},
	}}
	sink := func(c record.EventSink) func() {
		return func() {
			_, _ = c.Create(event)
			_, _ = c.Update(event)
			_, _ = c.Patch(event, []byte(`{"count":2}`))
		}
	}
	for name, tc := range map[string]struct{ ours, theirs func() }{
		"Secrets": {
			func() { useSecrets(ctx, clients.Secrets("ns"), secret, manager, deletion) },
			func() { useSecrets(ctx, theirs.CoreV1().Secrets("ns"), secret, manager, deletion) },
		},
		"Events": {sink(clients.EventSink()), sink(&corev1client.EventSinkImpl{Interface: theirs.CoreV1().Events("")})},
		"Pods": {
			func() { _, _ = clients.Pods("ns").List(ctx, pending) },
			func() { _, _ = theirs.CoreV1().Pods("ns").List(ctx, pending) },
		},
		"Leases": {
			func() { _, _ = clients.Leases("ns").Update(ctx, lease, metav1.UpdateOptions{FieldManager: "me"}) },
			func() {
				_, _ = theirLease.CoordinationV1().Leases("ns").Update(ctx, lease, metav1.UpdateOptions{FieldManager: "me"})
			},
		},
		"MutatingWebhookConfigurations": {
			func() {
				_, _ = clients.WebhookConfigurations().Patch(ctx, "a", types.StrategicMergePatchType, []byte(`{}`), manager)
				_, _ = clients.MutatingWebhooks().List(ctx, metav1.ListOptions{Limit: 50})
			},
			func() {
				_, _ = theirs.AdmissionregistrationV1().MutatingWebhookConfigurations().Patch(ctx, "a", types.StrategicMergePatchType, []byte(`{}`), manager)
				_, _ = theirs.AdmissionregistrationV1().MutatingWebhookConfigurations().List(ctx, metav1.ListOptions{Limit: 50})
			},
		},
		"TokenReviews": {
			func() { _, _ = clients.TokenReviews().Create(ctx, tokens, metav1.CreateOptions{}) },
			func() { _, _ = theirs.AuthenticationV1().TokenReviews().Create(ctx, tokens, metav1.CreateOptions{}) },
		},
		"SubjectAccessReviews": {
			func() { _, _ = clients.SubjectAccessReviews().Create(ctx, access, metav1.CreateOptions{}) },
			func() {
				_, _ = theirs.AuthorizationV1().SubjectAccessReviews().Create(ctx, access, metav1.CreateOptions{})
			},
		},
		"SelfSubjectAccessReviews": {
			func() { _, _ = clients.SelfSubjectAccessReviews().Create(ctx, self, metav1.CreateOptions{}) },
			func() {
				_, _ = theirs.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, self, metav1.CreateOptions{})
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			want := during(tc.theirs)
			require.NotEmpty(t, want)
			assert.Equal(t, want, during(tc.ours))
		})
	}
}

// secretClient is what both clients have.
type secretClient interface {
	Get(ctx context.Context, name string, opts metav1.GetOptions) (*corev1.Secret, error)
	Create(ctx context.Context, secret *corev1.Secret, opts metav1.CreateOptions) (*corev1.Secret, error)
	Update(ctx context.Context, secret *corev1.Secret, opts metav1.UpdateOptions) (*corev1.Secret, error)
	Patch(ctx context.Context, name string, kind types.PatchType, patch []byte, opts metav1.PatchOptions, subresources ...string) (*corev1.Secret, error)
	Delete(ctx context.Context, name string, opts metav1.DeleteOptions) error
}

func useSecrets(ctx context.Context, c secretClient, secret *corev1.Secret, manager metav1.PatchOptions, deletion metav1.DeleteOptions) {
	_, _ = c.Get(ctx, "a", metav1.GetOptions{ResourceVersion: "7"})
	_, _ = c.Create(ctx, secret, metav1.CreateOptions{FieldManager: "me", DryRun: []string{metav1.DryRunAll}})
	_, _ = c.Update(ctx, secret, metav1.UpdateOptions{FieldManager: "me"})
	_, _ = c.Patch(ctx, "a", types.JSONPatchType, []byte(`[]`), manager)
	_, _ = c.Patch(ctx, "a", types.MergePatchType, []byte(`{}`), manager, "status")
	_ = c.Delete(ctx, "a", deletion)
}

// TestAnswersAreDecoded reads an object in both encodings.
func TestAnswersAreDecoded(t *testing.T) {
	stored := &corev1.PodList{ListMeta: metav1.ListMeta{Continue: "more"}, Items: []corev1.Pod{{ObjectMeta: metav1.ObjectMeta{Name: "a"}}}}
	for _, mediaType := range []string{runtime.ContentTypeProtobuf, runtime.ContentTypeJSON} {
		t.Run(mediaType, func(t *testing.T) {
			info, is := runtime.SerializerInfoForMediaType(codecs.SupportedMediaTypes(), mediaType)
			require.True(t, is)
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", mediaType)
				assert.NoError(t, codecs.EncoderForVersion(info.Serializer, corev1.SchemeGroupVersion).Encode(stored, w))
			}))
			t.Cleanup(s.Close)
			clients, err := Connect(Options{APIServer: s.URL, QPS: 100, Logger: log.NewNopLogger()})
			require.NoError(t, err)
			list, err := clients.Pods("ns").List(t.Context(), metav1.ListOptions{})
			require.NoError(t, err)
			assert.Equal(t, stored.Items, list.Items)
			assert.Equal(t, "more", list.Continue)
		})
	}
}

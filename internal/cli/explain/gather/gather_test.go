package gather

import (
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	metadatafake "k8s.io/client-go/metadata/fake"
	clienttesting "k8s.io/client-go/testing"

	"kube-aws-iam-controller/internal/cli/command"
	"kube-aws-iam-controller/internal/cli/explain/chain"
	"kube-aws-iam-controller/internal/cli/installation"
	"kube-aws-iam-controller/internal/identity"
)

func TestAnAnswerOfTheAPIServerIsAFact(t *testing.T) {
	pods := schema.GroupResource{Resource: "pods"}
	for name, tt := range map[string]struct {
		err  error
		want chain.Fact[*corev1.Pod]
	}{
		"there":     {nil, chain.Fact[*corev1.Pod]{Value: &corev1.Pod{}}},
		"not there": {apierrors.NewNotFound(pods, "app"), chain.Fact[*corev1.Pod]{}},
		"forbidden": {apierrors.NewForbidden(pods, "app", nil), chain.Fact[*corev1.Pod]{Unknown: "you may not get pods in demo"}},
		"an error":  {errors.New("connection refused"), chain.Fact[*corev1.Pod]{Unknown: "get pods in demo: connection refused"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := fact(request{"get", "pods", "demo"}, &corev1.Pod{}, tt.err)
			assert.Equal(t, tt.want, got)
			part := as(got, func(p *corev1.Pod) bool { return p != nil })
			assert.Equal(t, chain.Fact[bool]{Value: tt.err == nil, Unknown: tt.want.Unknown}, part)
		})
	}
}

// reader returns a Reader of a cluster with these objects.
func reader(objects ...runtime.Object) (*Reader, *fake.Clientset) {
	core := fake.NewClientset(objects...)
	scheme := metadatafake.NewTestScheme()
	_ = metav1.AddMetaToScheme(scheme)
	r := New(&command.Clients{Core: core, Metadata: metadatafake.NewSimpleMetadataClient(scheme)}, installation.NewFinder(core, "v1.0.0", io.Discard))
	return r, core
}

func pod(name, account string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "demo", Name: name}, Spec: corev1.PodSpec{ServiceAccountName: account}}
}

func TestThePodsOfAnIdentityAreThoseOfItsServiceAccount(t *testing.T) {
	r, _ := reader(pod("app-1", "app"), pod("other-1", "other"))
	f := r.Identity(t.Context(), identity.Key{Source: identity.ServiceAccount, Namespace: "demo", Name: "app"})
	if assert.Len(t, f.Pods.Value, 1) {
		assert.Equal(t, "app-1", f.Pods.Value[0].Name)
	}
}

func TestAPodWithoutServiceAccountHasTheDefaultOne(t *testing.T) {
	r, _ := reader(pod("app-1", ""))
	assert.Equal(t, "default", r.Pod(t.Context(), "demo", "app-1").Key.Name)
}

func TestOnlyTheMetadataOfSecretsIsRead(t *testing.T) {
	p := pod("app-1", "app")
	p.Spec.Containers = []corev1.Container{{EnvFrom: []corev1.EnvFromSource{{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "keys"}}}}}}
	r, core := reader(p)
	_ = r.Pod(t.Context(), "demo", "app-1")
	for _, action := range core.Actions() {
		assert.NotEqual(t, "secrets", action.GetResource().Resource, "%v", action)
	}
}

func TestWhoMayNotListAllDeploymentsSeesThoseOfTheUsualNamespace(t *testing.T) {
	r, core := reader()
	core.PrependReactor("list", "deployments", func(action clienttesting.Action) (bool, runtime.Object, error) {
		if action.GetNamespace() == "" {
			return true, nil, apierrors.NewForbidden(schema.GroupResource{Group: "apps", Resource: "deployments"}, "", nil)
		}
		return false, nil, nil
	})
	f := r.Identity(t.Context(), identity.Key{Source: identity.ServiceAccount, Namespace: "demo", Name: "app"})
	assert.Equal(t, "you may not list deployments in all namespaces", f.Controllers.Unknown, "there may be one elsewhere")
}

func TestRefusalsAreThoseOfWhatCreatesThePod(t *testing.T) {
	failed := func(name, owner string) *corev1.Event {
		return &corev1.Event{ObjectMeta: metav1.ObjectMeta{Namespace: "demo", Name: name}, Reason: "FailedCreate", InvolvedObject: corev1.ObjectReference{Name: owner}}
	}
	r, _ := reader(failed("1", "app-5d8f"), failed("2", "other-7c9d"))
	owners := func(pod string) (names []string) {
		for _, event := range r.refusals(t.Context(), "demo", pod).Value {
			names = append(names, event.InvolvedObject.Name)
		}
		return names
	}
	assert.Equal(t, []string{"app-5d8f"}, owners("app-5d8f-x2x7v"))
	assert.Equal(t, []string{"app-5d8f"}, owners("app"), "as a person abbreviates it")
	assert.Len(t, owners(""), 2)
	assert.Empty(t, owners("app-5d8fx"), "of an object whose name only begins alike")
	assert.Empty(t, owners("ap"))
}

func TestKeysAreThoseThatSomebodyWrote(t *testing.T) {
	keys := writtenKeys([]metav1.ManagedFieldsEntry{
		{FieldsV1: metav1.NewFieldsV1(`{"f:data":{".":{},"f:AWS_ACCESS_KEY_ID":{}},"f:type":{}}`)}, {}, {FieldsV1: metav1.NewFieldsV1(`not JSON`)},
	})
	assert.Equal(t, []string{"AWS_ACCESS_KEY_ID"}, keys)
}

func TestWhatAnAPIServerDoesNotKnowIsNotInstalled(t *testing.T) {
	assert.Nil(t, policyBinding(nil))
	assert.Nil(t, webhook(nil))
	assert.False(t, guardBound(nil))
	other := &admissionv1.MutatingWebhookConfigurationList{Items: []admissionv1.MutatingWebhookConfiguration{{Webhooks: []admissionv1.MutatingWebhook{{Name: "other"}, {Name: webhookName}}}}}
	assert.Equal(t, webhookName, webhook(other).Name)
}

func TestEndpointsThatAreNotReadyDoNotCount(t *testing.T) {
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "a", Labels: map[string]string{discoveryv1.LabelServiceName: "webhook"}},
		Endpoints: []discoveryv1.Endpoint{
			{Addresses: []string{"10.0.0.1"}, Conditions: discoveryv1.EndpointConditions{Ready: new(true)}},
			{Addresses: []string{"10.0.0.2"}, Conditions: discoveryv1.EndpointConditions{Ready: new(false)}},
			{Addresses: []string{"10.0.0.3"}},
		},
	}
	r, _ := reader(slice)
	assert.Equal(t, 2, r.endpoints(t.Context(), &admissionv1.ServiceReference{Namespace: "kube-system", Name: "webhook"}).Value)
}

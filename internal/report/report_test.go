package report

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-kit/log"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/record"

	"kube-aws-iam-controller/internal/identity"
)

func desired(source identity.Source) identity.Desired {
	want := identity.Desired{Key: identity.Key{Source: source, Namespace: "ns", Name: "app"}, UID: "u1", SecretName: "app"}
	if source == identity.ServiceAccount {
		want.SecretName = "app.aws-iam"
	}
	return want
}

func pending(name, account, secret string) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name}, Spec: corev1.PodSpec{ServiceAccountName: account}}
	if secret != "" {
		pod.Spec.Volumes = []corev1.Volume{
			{Name: "other"},
			{Name: "v", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: secret}}},
		}
	}
	return pod
}

// reporter returns a Reporter and what it has said.
func reporter(pods ...runtime.Object) (*Reporter, *fake.Clientset, func() []string) {
	events := record.NewFakeRecorder(100)
	events.IncludeObject = true
	client := fake.NewClientset(pods...)
	return New(events, client.CoreV1(), log.NewNopLogger()), client, func() []string {
		var all []string
		for {
			select {
			case e := <-events.Events:
				all = append(all, e)
			default:
				return all
			}
		}
	}
}

func TestEventsAreOnTheObjectThatAsked(t *testing.T) {
	for source, kind := range map[identity.Source]string{identity.ServiceAccount: "kind=ServiceAccount,apiVersion=v1", identity.AWSIAMRole: "kind=AWSIAMRole,apiVersion=zalando.org/v1"} {
		r, _, said := reporter()
		r.Normal(desired(source), "CreateCredentials", "Created")
		assert.Equal(t, []string{"Normal CreateCredentials Created involvedObject{" + kind + "}"}, said())
		r.Warn(t.Context(), desired(source), false, "GetCredentialsFailed", "Failed")
		assert.Equal(t, []string{"Warning GetCredentialsFailed Failed involvedObject{" + kind + "}"}, said())
	}
}

func TestPodsThatWaitAreTold(t *testing.T) {
	pods := []runtime.Object{
		pending("its-account", "app", ""), pending("its-secret", "other", "app.aws-iam"), pending("role-secret", "other", "app"), pending("neither", "other", "x"),
	}
	for source, waiting := range map[identity.Source]int{identity.ServiceAccount: 2, identity.AWSIAMRole: 1} {
		r, client, said := reporter(pods...)
		r.Warn(t.Context(), desired(source), true, "GetCredentialsFailed", "Failed")
		told := said()
		require.Len(t, told, 1+waiting, source)
		for _, event := range told[1:] {
			assert.Contains(t, event, "kind=Pod")
		}
		list, ok := client.Actions()[0].(clienttesting.ListAction)
		require.True(t, ok)
		assert.Contains(t, list.GetListRestrictions().Fields.String(), "status.phase=Pending", "running pods are not asked for")
		assert.Equal(t, source == identity.ServiceAccount, strings.Contains(list.GetListRestrictions().Fields.String(), "spec.serviceAccountName=app"))
	}
}

func TestNotEverybodyIsTold(t *testing.T) {
	var pods []runtime.Object
	for i := range 30 {
		pods = append(pods, pending(fmt.Sprintf("p%d", i), "app", ""))
	}
	r, _, said := reporter(pods...)
	r.Warn(t.Context(), desired(identity.ServiceAccount), true, "GetCredentialsFailed", "Failed")
	assert.Len(t, said(), 1+maxPods)
}

func TestPodsThatCannotBeListedAreACourtesyLess(t *testing.T) {
	r, client, said := reporter()
	client.PrependReactor("list", "pods", func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, errors.New("away") })
	r.Warn(context.Background(), desired(identity.ServiceAccount), true, "GetCredentialsFailed", "Failed")
	assert.Len(t, said(), 1)
}

func TestMessagesFit(t *testing.T) {
	assert.Equal(t, "short", fit("short"))
	for _, long := range []string{strings.Repeat("x", 5000), strings.Repeat("日本", 1000), strings.Repeat("x", 1021) + "日本日本"} {
		got := fit(long)
		assert.LessOrEqual(t, len(got), 1024)
		assert.True(t, utf8.ValidString(got))
		assert.True(t, strings.HasSuffix(got, "…"))
	}
	assert.Equal(t, "a\uFFFDb", fit("a\xffb"))
}

func TestPendingPodsAreLookedForAtLittleCost(t *testing.T) {
	r, client, said := reporter(pending("waiting", "app", ""))
	for range 200 {
		r.Warn(t.Context(), desired(identity.ServiceAccount), true, "GetCredentialsFailed", "Failed")
		said()
	}
	assert.LessOrEqual(t, len(client.Actions()), listsAtOnce+2*listsPerSecond, "rarely, whoever asks")
	list, ok := client.Actions()[0].(clienttesting.ListActionImpl)
	require.True(t, ok)
	assert.EqualValues(t, maxListed, list.ListOptions.Limit, "and few at once")
	assert.Empty(t, list.ListOptions.ResourceVersion, "for which the API server would ignore the limit")
}

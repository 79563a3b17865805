package events

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/go-kit/log"
	"github.com/stretchr/testify/assert"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
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

// reporter returns a Reporter and a function that returns its events.
func reporter(pods ...runtime.Object) (*Reporter, *fake.Clientset, func() []string) {
	events := record.NewFakeRecorder(10_000)
	events.IncludeObject = true
	client := fake.NewClientset(pods...)
	return New(events, client.CoreV1().Pods, log.NewNopLogger()), client, func() []string {
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

func TestEventsAreOnTheRequestingObject(t *testing.T) {
	for source, kind := range map[identity.Source]string{identity.ServiceAccount: "kind=ServiceAccount,apiVersion=v1", identity.AWSIAMRole: "kind=AWSIAMRole,apiVersion=zalando.org/v1"} {
		r, _, said := reporter()
		r.Normal(desired(source), "CreateCredentials", "Created")
		assert.Equal(t, []string{"Normal CreateCredentials Created involvedObject{" + kind + "}"}, said())
		r.Warn(desired(source), false, "GetCredentialsFailed", "Failed")
		assert.Equal(t, []string{"Warning GetCredentialsFailed Failed involvedObject{" + kind + "}"}, said())
	}
}

func TestMessagesAreTruncated(t *testing.T) {
	assert.Equal(t, "short", truncate("short"))
	for _, long := range []string{strings.Repeat("x", 5000), strings.Repeat("日本", 1000), strings.Repeat("x", 1021) + "日本日本"} {
		got := truncate(long)
		assert.LessOrEqual(t, len(got), 1024)
		assert.True(t, utf8.ValidString(got))
		assert.True(t, strings.HasSuffix(got, "…"))
	}
	assert.Equal(t, "a\uFFFDb", truncate("a\xffb"))
}

// objects is a recorder of the objects that events are about.
type objects struct {
	record.EventRecorder

	seen []runtime.Object
}

func (o *objects) Event(object runtime.Object, _, _, _ string) { o.seen = append(o.seen, object) }

func TestEventsAreInTheNamespaceOfTheObject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &objects{}
		r := New(o, fake.NewClientset(pending("pod", "app")).CoreV1().Pods, log.NewNopLogger())
		r.WarnNamespace("ns", "u0", "Reason", "message")
		r.Warn(desired(identity.ServiceAccount), false, "Reason", "message")
		watching(t, r, failed(desired(identity.ServiceAccount)))
		time.Sleep(listInterval)
		synctest.Wait()
		assert.Equal(t, []runtime.Object{
			&corev1.ObjectReference{APIVersion: "v1", Kind: "Namespace", Namespace: "ns", Name: "ns", UID: "u0"},
			&corev1.ObjectReference{APIVersion: "v1", Kind: "ServiceAccount", Namespace: "ns", Name: "app", UID: "u1"},
			&corev1.ObjectReference{APIVersion: "v1", Kind: "Pod", Namespace: "ns", Name: "pod", UID: "pod"},
		}, o.seen)
	})
}

func TestPodsAreLookedForOnlyIfTheyWait(t *testing.T) {
	r, _, _ := reporter()
	want := desired(identity.ServiceAccount)
	r.Warn(want, false, "Reason", "message")
	assert.Zero(t, r.TryWarn(want, false, "Reason", "message"))
	assert.Empty(t, r.waiting.dequeue())
	assert.Zero(t, r.TryWarn(want, true, "Reason", "message"))
	assert.Equal(t, map[string]bool{"ns": true}, r.waiting.dequeue())
}

func TestEventsBeyondTheLimitsAreNotRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _, said := reporter()
		want := desired(identity.ServiceAccount)
		for range identityBurst {
			assert.Zero(t, r.TryWarn(want, false, "Reason", "message"))
		}
		assert.Equal(t, identityInterval, r.TryWarn(want, false, "Reason", "message"))
		assert.Len(t, said(), identityBurst)
		for range 2 * namespaceBurst {
			r.Normal(want, "Reason", "message")
		}
		assert.Len(t, said(), namespaceBurst)
	})
}

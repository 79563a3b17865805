package events

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-kit/log"
	"github.com/stretchr/testify/assert"
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

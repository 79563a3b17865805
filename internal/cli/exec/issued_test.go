package exec

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"kube-aws-iam-controller/internal/identity"
)

var app = identity.Key{Source: identity.ServiceAccount, Namespace: "demo", Name: "app"}

// secretOf returns the Secret of the ServiceAccount app, with credentials that are valid for
// some time from now.
func secretOf(id string, left time.Duration) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "app.aws-iam", Namespace: "demo", Labels: map[string]string{
			"app.kubernetes.io/managed-by": "kube-aws-iam-controller", "iam.amazonaws.com/source": "serviceaccount",
		}},
		Data: map[string][]byte{"credentials.json": fmt.Appendf(nil,
			`{"Version":1,"AccessKeyId":"%s","SecretAccessKey":"SECRET-%s","SessionToken":"SESSION-%s","Expiration":"%s"}`,
			id, id, id, time.Now().Add(left).UTC().Format(time.RFC3339))},
	}
}

// store is an API server with one Secret.
type store struct {
	mu     sync.Mutex
	secret *corev1.Secret
	err    error
	slow   bool
}

// answer has it answer otherwise from now on.
func (s *store) answer(secret *corev1.Secret, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.secret, s.err = secret, err
}

func (s *store) Get(ctx context.Context, name string, _ metav1.GetOptions) (*corev1.Secret, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case name != "app.aws-iam":
		return nil, apierrors.NewNotFound(schema.GroupResource{Resource: "secrets"}, name)
	case s.slow:
		<-ctx.Done()
		return nil, ctx.Err()
	default:
		return s.secret, s.err
	}
}

func TestCredentialsThatAreNotToBeUsedAreRefused(t *testing.T) {
	resource := schema.GroupResource{Resource: "secrets"}
	foreign, halved := secretOf("A", time.Hour), secretOf("A", time.Hour)
	foreign.Labels = nil
	halved.Data["credentials.json"] = halved.Data["credentials.json"][:90]
	const explain = ": kubectl aws-iam explain serviceaccount/app --namespace demo says why"
	for name, tt := range map[string]struct {
		store *store
		says  string
	}{
		"there are none":   {&store{err: apierrors.NewNotFound(resource, "app.aws-iam")}, "there is no Secret app.aws-iam in demo, so serviceaccount/app has no credentials" + explain},
		"not for the user": {&store{err: apierrors.NewForbidden(resource, "app.aws-iam", nil)}, "you may not read the Secret app.aws-iam in demo: this takes the right to get it (kubectl auth can-i get secret/app.aws-iam --namespace demo)"},
		"of somebody else": {&store{secret: foreign}, "the Secret app.aws-iam in demo is not the controller's, and what is in it is not used" + explain},
		"unreadable":       {&store{secret: halved}, "the Secret app.aws-iam in demo cannot be used: credentials.json does not hold credentials" + explain},
		"expired":          {&store{secret: secretOf("A", -3*time.Hour)}, "the credentials in the Secret app.aws-iam in demo expired 3h ago, at "},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := newIssued(tt.store, app).get(t.Context())
			require.ErrorContains(t, err, tt.says)
			assert.NotContains(t, err.Error(), "SECRET")
			assert.True(t, answered(err))
		})
	}
	_, err := newIssued(&store{err: errors.New("it is away")}, app).get(t.Context())
	require.EqualError(t, err, "read the Secret app.aws-iam in demo: it is away")
	assert.False(t, answered(err))
}

func TestTheSecretOfAnAWSIAMRoleHasItsName(t *testing.T) {
	secret := secretOf("A", time.Hour)
	secret.Labels = map[string]string{"heritage": "kube-aws-iam-controller", "type": "awsiamrole"}
	role := identity.Key{Source: identity.AWSIAMRole, Namespace: "demo", Name: "app.aws-iam"}
	_, err := newIssued(&store{secret: secret}, role).get(t.Context())
	require.NoError(t, err)
	_, err = newIssued(&store{secret: secret}, app).get(t.Context())
	assert.ErrorContains(t, err, "is not the controller's")
}

// sdk returns what an SDK has that asks an endpoint of the credentials.
func sdk(t *testing.T, i *issued) func() (string, error) {
	t.Helper()
	served, err := serve(t.Context(), i.forSDK)
	require.NoError(t, err)
	t.Cleanup(served.close)
	return func() (string, error) {
		provider := endpointcreds.New(served.url, func(o *endpointcreds.Options) {
			o.AuthorizationToken, o.Retryer = served.token, aws.NopRetryer{}
		})
		got, err := provider.Retrieve(t.Context())
		return got.AccessKeyID, err
	}
}

func TestEachRequestGetsTheNewestCredentials(t *testing.T) {
	s := &store{secret: secretOf("A", time.Hour)}
	ask := sdk(t, newIssued(s, app))
	got, err := ask()
	require.NoError(t, err)
	assert.Equal(t, "A", got)
	s.answer(secretOf("B", time.Hour), nil)
	got, err = ask()
	require.NoError(t, err)
	assert.Equal(t, "B", got)
}

func TestAnOutageOfTheAPIServerDoesNotTakeCredentialsAway(t *testing.T) {
	for name, outage := range map[string]func(*store){
		"an error": func(s *store) { s.answer(nil, errors.New("it is away")) },
		"no answer": func(s *store) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.slow = true
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := &store{secret: secretOf("A", time.Hour)}
			ask := sdk(t, newIssued(s, app))
			_, err := ask()
			require.NoError(t, err)
			outage(s)
			got, err := ask()
			require.NoError(t, err)
			assert.Equal(t, "A", got)
		})
	}
	s := &store{secret: secretOf("A", time.Second)}
	ask := sdk(t, newIssued(s, app))
	_, err := ask()
	require.NoError(t, err)
	s.answer(nil, errors.New("it is away"))
	assert.EventuallyWithT(t, func(c *assert.CollectT) {
		_, err := ask()
		assert.ErrorContains(c, err, "it is away")
	}, 10*time.Second, 50*time.Millisecond, "credentials that have expired")
}

func TestAWithdrawnRightEndsTheCredentials(t *testing.T) {
	s := &store{secret: secretOf("A", time.Hour)}
	ask := sdk(t, newIssued(s, app))
	_, err := ask()
	require.NoError(t, err)
	s.answer(nil, apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, "app.aws-iam", nil))
	_, err = ask()
	assert.ErrorContains(t, err, "you may not read the Secret")
}

func TestTheEndpointIsOnlyForWhomItIsFor(t *testing.T) {
	served, err := serve(t.Context(), newIssued(&store{err: errors.New("it was read")}, app).forSDK)
	require.NoError(t, err)
	defer served.close()
	assert.Regexp(t, `^http://127\.0\.0\.1:\d+/v1/credentials$`, served.url)
	for _, token := range []string{"x", served.token[:20], served.token + "x"} {
		provider := endpointcreds.New(served.url, func(o *endpointcreds.Options) { o.AuthorizationToken = token })
		_, err = provider.Retrieve(t.Context())
		require.ErrorContains(t, err, "is not the AWS_CONTAINER_AUTHORIZATION_TOKEN that the process was given", "the Secret is not even read")
	}
	another, err := serve(t.Context(), nil)
	require.NoError(t, err)
	defer another.close()
	assert.NotEqual(t, served.token, another.token)
}

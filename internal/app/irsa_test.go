package app

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-kit/log"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"kube-aws-iam-controller/internal/config"
)

func TestEKSWebhookIsDetectedByItsTokens(t *testing.T) {
	for name, tc := range map[string]struct {
		env  map[string]string
		want bool
	}{
		"an IAM role for the controller's ServiceAccount": {map[string]string{"AWS_WEB_IDENTITY_TOKEN_FILE": "/var/run/secrets/eks.amazonaws.com/serviceaccount/token"}, true},
		"EKS Pod Identity":     {map[string]string{"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token"}, true},
		"another web identity": {map[string]string{"AWS_WEB_IDENTITY_TOKEN_FILE": "/var/run/secrets/aws/token"}, false},
		"an instance's role":   {nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, tc.want, irsaServed(func(key string) string { return tc.env[key] }))
		})
	}
}

// besideEKSWebhook is a controller in a cluster with the webhook of EKS, whose API server
// fails the first requests with errors.
func besideEKSWebhook(flag config.IRSAAnnotations, fails ...error) (c *controller, asked *int, logged *bytes.Buffer) {
	client := fake.NewClientset(&admissionregistrationv1.MutatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: "pod-identity-webhook"}})
	asked, logged = new(int), &bytes.Buffer{}
	client.PrependReactor("get", "mutatingwebhookconfigurations", func(clienttesting.Action) (bool, runtime.Object, error) {
		*asked++
		if *asked <= len(fails) {
			return true, nil, fails[*asked-1]
		}
		return false, nil, nil
	})
	return &controller{
		config: config.Config{IRSAAnnotations: flag}, configurations: client.AdmissionregistrationV1().MutatingWebhookConfigurations(), logger: log.NewLogfmtLogger(logged),
	}, asked, logged
}

func TestIRSAAnnotationsAreNotReadBesideTheEKSWebhook(t *testing.T) {
	resource := admissionregistrationv1.Resource("mutatingwebhookconfigurations")
	absent := apierrors.NewNotFound(resource, "pod-identity-webhook")
	forbidden := apierrors.NewForbidden(resource, "pod-identity-webhook", errors.New("no right"))
	away := errors.New("the API server is away")
	for name, test := range map[string]struct {
		flag    config.IRSAAnnotations
		fails   []error
		refused bool
		asked   int
		says    string
	}{
		"off":                {config.IgnoreIRSA, nil, false, 0, ""},
		"forced":             {config.ForceIRSA, nil, false, 0, ""},
		"on":                 {config.ReadIRSA, nil, true, 1, ""},
		"on, without it":     {config.ReadIRSA, []error{absent}, false, 1, ""},
		"on, it may not ask": {config.ReadIRSA, []error{forbidden}, false, 1, "cannot be seen"},
		"on, once it knows":  {config.ReadIRSA, []error{away, away}, true, 3, "cannot be determined yet"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, asked, logged := besideEKSWebhook(test.flag, test.fails...)
				err := c.checkIRSA(t.Context())
				assert.Equal(t, test.refused, errors.Is(err, errBesideEKSWebhook), "%v", err)
				assert.Equal(t, test.asked, *asked)
				assert.Contains(t, logged.String(), test.says)
			})
		})
	}
	t.Run("its own credentials tell", func(t *testing.T) {
		t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "/var/run/secrets/eks.amazonaws.com/serviceaccount/token")
		c, asked, _ := besideEKSWebhook(config.ReadIRSA)
		require.ErrorIs(t, c.checkIRSA(t.Context()), errBesideEKSWebhook)
		assert.Zero(t, *asked)
	})
}

func TestAControllerThatDoesNotKnowOfTheEKSWebhookEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away := make([]error, 1000)
		for i := range away {
			away[i] = errors.New("the API server is away")
		}
		c, _, _ := besideEKSWebhook(config.ReadIRSA, away...)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		assert.NoError(t, c.work(ctx))
	})
}

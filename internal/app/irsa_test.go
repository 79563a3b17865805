package app

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-kit/log"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/internal/config"
	"kube-aws-iam-controller/internal/telemetry"
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

// webhooks are the configurations of a cluster, one on each page. The first requests fail
// with errors.
type webhooks struct {
	mu             sync.Mutex
	configurations []admissionregistrationv1.MutatingWebhookConfiguration
	fails          []error
	asked          int
}

func (w *webhooks) List(_ context.Context, opts metav1.ListOptions) (*admissionregistrationv1.MutatingWebhookConfigurationList, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
	if w.asked <= len(w.fails) {
		return nil, w.fails[w.asked-1]
	}
	page, _ := strconv.Atoi(opts.Continue)
	list := &admissionregistrationv1.MutatingWebhookConfigurationList{}
	if page < len(w.configurations) {
		list.Items = w.configurations[page : page+1]
	}
	if page+1 < len(w.configurations) {
		list.Continue = strconv.Itoa(page + 1)
	}
	return list, nil
}

// change changes what the cluster answers from now on.
func (w *webhooks) change(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

// configuration is one with a webhook.
func configuration(name, webhook string) admissionregistrationv1.MutatingWebhookConfiguration {
	return admissionregistrationv1.MutatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: name}, Webhooks: []admissionregistrationv1.MutatingWebhook{{Name: webhook}},
	}
}

// besideEKSWebhook is a controller in a cluster with the webhook of EKS, under a name of
// somebody's choice, whose API server fails the first requests with errors.
func besideEKSWebhook(t *testing.T, flag config.IRSAAnnotations, fails ...error) (c *controller, cluster *webhooks, logged *bytes.Buffer) {
	t.Helper()
	cluster, logged = &webhooks{fails: fails}, &bytes.Buffer{}
	cluster.configurations = []admissionregistrationv1.MutatingWebhookConfiguration{configuration("other", "other.example.com"), configuration("irsa", "iam-for-pods.amazonaws.com")}
	metrics, err := telemetry.NewMetrics(prometheus.NewRegistry(), "")
	require.NoError(t, err)
	return &controller{config: config.Config{IRSAAnnotations: flag}, mutatingWebhooks: cluster, metrics: metrics, logger: log.NewLogfmtLogger(logged)}, cluster, logged
}

func TestIRSAAnnotationsAreNotReadBesideTheEKSWebhook(t *testing.T) {
	resource := admissionregistrationv1.Resource("mutatingwebhookconfigurations")
	forbidden := apierrors.NewForbidden(resource, "", errors.New("no right"))
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
		"on":                 {config.ReadIRSA, nil, true, 2, ""},
		"on, it may not ask": {config.ReadIRSA, []error{forbidden}, false, 1, "cannot tell whether the EKS Pod Identity webhook is installed"},
		"on, once it knows":  {config.ReadIRSA, []error{away, away}, true, 4, "cannot be determined yet"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, cluster, logged := besideEKSWebhook(t, test.flag, test.fails...)
				err := c.checkIRSA(t.Context())
				if test.refused {
					require.ErrorContains(t, err, "the webhook of EKS is in this cluster (MutatingWebhookConfiguration irsa)")
				} else {
					require.NoError(t, err)
				}
				assert.Equal(t, test.asked, cluster.asked)
				assert.Contains(t, logged.String(), test.says)
			})
		})
	}
	t.Run("its own credentials tell", func(t *testing.T) {
		t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "/var/run/secrets/eks.amazonaws.com/serviceaccount/token")
		c, cluster, _ := besideEKSWebhook(t, config.ReadIRSA)
		require.ErrorContains(t, c.checkIRSA(t.Context()), "has its own credentials from EKS")
		assert.Zero(t, cluster.asked)
	})
	t.Run("without it", func(t *testing.T) {
		c, cluster, _ := besideEKSWebhook(t, config.ReadIRSA)
		cluster.configurations = cluster.configurations[:1]
		require.NoError(t, c.checkIRSA(t.Context()))
	})
}

func TestAControllerThatDoesNotKnowOfTheEKSWebhookEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away := make([]error, 1000)
		for i := range away {
			away[i] = errors.New("the API server is away")
		}
		c, _, _ := besideEKSWebhook(t, config.ReadIRSA, away...)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		assert.NoError(t, c.work(ctx))
	})
}

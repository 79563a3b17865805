package app

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"kube-aws-iam-controller/internal/admission"
	"kube-aws-iam-controller/internal/certificates"
	"kube-aws-iam-controller/internal/config"
	"kube-aws-iam-controller/internal/httpserver"
	"kube-aws-iam-controller/internal/telemetry"
)

// issued is a certificate that is there, or is not with an error.
type issued struct{ err error }

func (issued) Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return &tls.Certificate{}, nil
}

func (i issued) Ready() error { return i.err }

func (issued) Expiration() time.Time { return time.Time{} }

func TestRequestsAreTheAPIServersByCertificateOrByToken(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, admission.Path, http.NoBody)
	keeper := certificates.NewKeeper(nil, nil, "ns", "name", admission.Path, log.NewNopLogger())
	for name, tc := range map[string]struct {
		webhook     webhook
		is, unknown bool
	}{
		"neither is required":             {webhook{}, false, true},
		"it has no token":                 {webhook{keeper: keeper}, false, keeper.Open(t.Context(), r.URL.Path)},
		"client certificates are checked": {webhook{clients: &certificates.Clients{}}, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			tc.webhook.connections = httpserver.NewConnections(connectionLimits)
			assert.Equal(t, tc.is, tc.webhook.isAPIServer(r))
			assert.Equal(t, tc.unknown, tc.webhook.allowUnknown(r))
		})
	}
}

func TestWebhookRequiresClientCertificatesWhereThereAreCAs(t *testing.T) {
	w := webhook{certificate: issued{}}
	assert.Equal(t, tls.NoClientCert, w.tls().ClientAuth)
	assert.Equal(t, uint16(tls.VersionTLS12), w.tls().MinVersion)
	w.clients = &certificates.Clients{}
	assert.NotNil(t, w.tls().GetConfigForClient, "with the CAs of the moment")
}

func TestPodsAreGivenWhatTheFlagsSay(t *testing.T) {
	requests := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1m")}
	limits := corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("20Mi")}
	security := corev1.SecurityContext{RunAsNonRoot: new(true)}
	assert.Equal(t, admission.Settings{DefaultRegion: "eu-central-1", Sidecar: admission.Sidecar{
		Image: "image", ImagePullPolicy: corev1.PullAlways, Requests: requests, Limits: limits, SecurityContext: security,
	}}, podSettings(&config.Config{
		DefaultRegion: "eu-central-1", SidecarImage: "image", SidecarPullPolicy: corev1.PullAlways,
		SidecarRequests: requests, SidecarLimits: limits, SidecarSecurityContext: security,
	}))
}

func TestPodsOfOtherNamespacesAreGivenNothing(t *testing.T) {
	c := watchedBy(t, "serviceaccounts")
	c.config.Namespace = "a"
	given, err := c.injection(t.Context(), "", "b", "app")
	require.NoError(t, err)
	assert.Nil(t, given)
	for _, served := range []string{"a", ""} {
		c.config.Namespace = served
		_, err = c.injection(t.Context(), "", "a", "app")
		require.Error(t, err, "it is asked about its ServiceAccount")
	}
}

func TestCertificateOutsideAClusterIsFromFiles(t *testing.T) {
	c := watchedBy(t)
	var w webhook
	require.ErrorContains(t, w.openCertificate(c, ""), "outside a cluster the webhook needs --webhook-cert-file")
	c.config.WebhookCertFile, c.config.WebhookKeyFile = "none.crt", "none.key"
	require.ErrorContains(t, w.openCertificate(c, ""), "none.crt")
	c.config.WebhookCertFile = ""
	require.NoError(t, w.openCertificate(c, "ns"))
	assert.NotNil(t, w.keeper)
	assert.NotNil(t, w.keep)
}

func TestReviewsAreServedWithAndWithoutAPath(t *testing.T) {
	c := watchedBy(t)
	var err error
	c.metrics, err = telemetry.NewMetrics(prometheus.NewRegistry(), "v1")
	require.NoError(t, err)
	w := webhook{connections: httpserver.NewConnections(connectionLimits)}
	for path, served := range map[string]bool{"/": true, admission.Path: true, admission.Path + "/token": true, "/other": false, admission.Path + "/a/b": false} {
		got := httptest.NewRecorder()
		w.handler(c).ServeHTTP(got, httptest.NewRequest(http.MethodPost, path, strings.NewReader("no review")))
		assert.Equal(t, served, got.Code != http.StatusNotFound, path)
	}
}

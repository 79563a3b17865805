package admission

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/test/cluster"
)

// pki is a directory with an authority, and what kube-apiserver is told to show to webhooks.
type pki struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newPKI(t *testing.T) *pki {
	t.Helper()
	p := &pki{t: t, dir: t.TempDir()}
	p.cert, p.key = p.issue("ca", &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	p.issue("kube-apiserver", &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	p.issue("kubelet", &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	p.write("webhooks.yaml", `
apiVersion: v1
kind: Config
users: [{name: "*", user: {client-certificate: DIR/kube-apiserver.crt, client-key: DIR/kube-apiserver.key}}]
`)
	p.write("admission.yaml", `
apiVersion: apiserver.config.k8s.io/v1
kind: AdmissionConfiguration
plugins:
  - name: MutatingAdmissionWebhook
    configuration: {apiVersion: apiserver.config.k8s.io/v1, kind: WebhookAdmissionConfiguration, kubeConfigFile: DIR/webhooks.yaml}
`)
	return p
}

func (p *pki) path(name string) string { return filepath.Join(p.dir, name) }

func (p *pki) write(name, text string) {
	p.t.Helper()
	require.NoError(p.t, os.WriteFile(p.path(name), []byte(strings.ReplaceAll(text, "DIR", p.dir)), 0o600))
}

// issue writes a certificate that the authority signs, or itself as long as there is none.
func (p *pki) issue(name string, template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	p.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(p.t, err)
	template.Subject, template.SerialNumber = pkix.Name{CommonName: name}, big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := p.cert, p.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	require.NoError(p.t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(p.t, err)
	p.write(name+".crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	p.write(name+".key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})))
	made, err := x509.ParseCertificate(der)
	require.NoError(p.t, err)
	return made, key
}

// answered says whether the webhook answers who shows a certificate, none for "", by the path that it is called at.
func (p *pki) answered(h *webhook, name string) bool {
	p.t.Helper()
	config := &tls.Config{InsecureSkipVerify: true}
	if name != "" {
		pair, err := tls.LoadX509KeyPair(p.path(name+".crt"), p.path(name+".key"))
		require.NoError(p.t, err)
		config.Certificates = []tls.Certificate{pair}
	}
	found, err := h.Client().AdmissionregistrationV1().MutatingWebhookConfigurations().Get(p.t.Context(), "kube-aws-iam-controller-webhook", metav1.GetOptions{})
	require.NoError(p.t, err)
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, *found.Webhooks[0].ClientConfig.URL, http.NoBody)
	require.NoError(p.t, err)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: config}}
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		return false
	}
	require.NoError(p.t, resp.Body.Close())
	return true
}

func TestTheAPIServerShowsACertificate(t *testing.T) {
	p := newPKI(t)
	c, err := cluster.Start(t.Context(), cluster.Options{APIServerFlags: []string{"--admission-control-config-file=" + p.path("admission.yaml")}})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, c.Stop()) })
	w := newUnprepared(t, c)
	ask := func(name, delivery string) corev1.ServiceAccount {
		annotations := map[string]string{"iam.amazonaws.com/role": "probe", "iam.amazonaws.com/delivery": delivery}
		return corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: annotations}}
	}
	require.NoError(t, w.Furnish(t.Context(), probe.Name, ask("probe", "process"), ask("malformed", "none of them")))
	h := newWebhook(t, w)
	h.env = []string{"KUBE_AWS_IAM_WEBHOOK_CLIENT_CA_FILE=" + p.path("ca.crt"), "KUBE_AWS_IAM_WEBHOOK_CLIENT_NAMES=kube-apiserver"}
	running := h.start(t)
	w.Await(t, true)
	assert.True(t, p.answered(h, "kube-apiserver"))
	for _, other := range []string{"", "kubelet"} {
		assert.False(t, p.answered(h, other), other)
	}
	running.Kill()

	h.env[1] = "KUBE_AWS_IAM_WEBHOOK_CLIENT_NAMES=another"
	h.start(t)
	_, err = w.Create(context.WithoutCancel(t.Context()), &probe, probe.Given)
	require.Error(t, err, "the API server's name is none of those that are accepted")
}

package certificates

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// client issues a client certificate from the bundle's authority.
func (b *Bundle) client(t *testing.T, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	leaf, err := issue(&x509.Certificate{
		Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, b.Authorities[0], key, b.AuthorityKey)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}
}

func TestRequireRejectsInvalidClientCertificates(t *testing.T) {
	ours, err := Renew(time.Now(), nil, names, false)
	require.NoError(t, err)
	others, err := Renew(time.Now(), nil, names, false)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "ca.crt")
	require.NoError(t, os.WriteFile(file, ours.AuthoritiesPEM(), 0o600))
	c, err := OpenClients(file, []string{"kube-apiserver", "another"}, log.NewNopLogger())
	require.NoError(t, err)

	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) }))
	server.EnableHTTP2 = true
	server.Config.ErrorLog = nil
	server.TLS = c.Require(&tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{*ours.Serving}})
	server.StartTLS()
	defer server.Close()
	get := func(version uint16, certificates ...tls.Certificate) string {
		client := &http.Client{Transport: &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{
			InsecureSkipVerify: true, Certificates: certificates, MinVersion: tls.VersionTLS12, MaxVersion: version,
		}}}
		defer client.CloseIdleConnections()
		resp, err := client.Get(server.URL)
		if err != nil {
			return "refused"
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return string(body)
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		assert.Equal(t, "HTTP/2.0", get(version, ours.client(t, "kube-apiserver")))
		assert.Equal(t, "HTTP/2.0", get(version, ours.client(t, "another")))
		assert.Equal(t, "refused", get(version))
		assert.Equal(t, "refused", get(version, ours.client(t, "kubelet")))
		assert.Equal(t, "refused", get(version, others.client(t, "kube-apiserver")))
		assert.Equal(t, "refused", get(version, *ours.Serving), "server certificate")
	}

	require.NoError(t, os.WriteFile(file, []byte("x"), 0o600))
	assert.Equal(t, "HTTP/2.0", get(0, ours.client(t, "kube-apiserver")), "an invalid file keeps the previous CAs")
	require.NoError(t, os.WriteFile(file, append(others.AuthoritiesPEM(), '\n'), 0o600))
	assert.Equal(t, "HTTP/2.0", get(0, others.client(t, "kube-apiserver")))
	assert.Equal(t, "refused", get(0, ours.client(t, "kube-apiserver")))
}

func TestCheckAcceptsAnyNameWithoutConfiguredNames(t *testing.T) {
	c := &Clients{}
	require.NoError(t, c.check(tls.ConnectionState{}))
}

func TestOpenClientsRequiresCertificates(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ca.crt")
	_, err := OpenClients(file, nil, log.NewNopLogger())
	require.ErrorContains(t, err, file)
	require.NoError(t, os.WriteFile(file, []byte("x"), 0o600))
	_, err = OpenClients(file, nil, log.NewNopLogger())
	require.ErrorContains(t, err, "there is no certificate in "+file)
}

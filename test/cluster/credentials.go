package cluster

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/client-go/rest"
)

// Files in the directory of a control plane.
const (
	rootCertificate    = "ca.crt"
	servingCertificate = "apiserver.crt"
	servingKey         = "apiserver.key"
	serviceAccountKey  = "service-account.key"
	tokens             = "tokens.csv"
	adminKubeconfig    = "kubeconfig"
)

func (c *Cluster) path(file string) string { return filepath.Join(c.dir, file) }

// writeCredentials makes all keys, and returns the path of the administrator's kubeconfig.
func (c *Cluster) writeCredentials() (string, error) {
	ca, err := newAuthority()
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(c.path(rootCertificate), ca.pem, 0o600); err != nil {
		return "", fmt.Errorf("root certificate: %w", err)
	}
	if err := ca.issueServing(c.path(servingCertificate), c.path(servingKey)); err != nil {
		return "", err
	}
	if _, err := writeKey(c.path(serviceAccountKey)); err != nil {
		return "", err
	}
	token := rand.Text()
	if err := os.WriteFile(c.path(tokens), []byte(token+",admin,admin,system:masters\n"), 0o600); err != nil {
		return "", fmt.Errorf("token of the administrator: %w", err)
	}
	return c.path(adminKubeconfig), writeKubeconfig(c.path(adminKubeconfig), &rest.Config{
		Host:            "https://" + loopback(c.ports.apiServer),
		BearerToken:     token,
		TLSClientConfig: rest.TLSClientConfig{CAData: ca.pem},
	})
}

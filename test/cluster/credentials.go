package cluster

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"

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

// NodeName is what a node calls itself, if there is one.
const NodeName = "node-1"

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
	if err := ca.issueServing(c.path(servingCertificate), c.path(servingKey), net.ParseIP(c.address)); err != nil {
		return "", err
	}
	if _, err := writeKey(c.path(serviceAccountKey)); err != nil {
		return "", err
	}
	config := &rest.Config{
		Host:            "https://" + net.JoinHostPort(c.address, strconv.Itoa(c.ports.apiServer)),
		TLSClientConfig: rest.TLSClientConfig{CAData: ca.pem},
	}
	admin, kubelet := rest.CopyConfig(config), rest.CopyConfig(config)
	admin.BearerToken, kubelet.BearerToken = rand.Text(), rand.Text()
	users := admin.BearerToken + ",admin,admin,system:masters\n" +
		kubelet.BearerToken + ",system:node:" + NodeName + ",node,system:nodes\n"
	if err := os.WriteFile(c.path(tokens), []byte(users), 0o600); err != nil {
		return "", fmt.Errorf("tokens: %w", err)
	}
	return c.path(adminKubeconfig), errors.Join(
		writeKubeconfig(c.path(adminKubeconfig), admin), writeKubeconfig(c.NodeKubeconfig(), kubelet))
}

// NodeKubeconfig returns the path of a kubeconfig with which a kubelet is the node.
func (c *Cluster) NodeKubeconfig() string { return c.path("node.kubeconfig") }

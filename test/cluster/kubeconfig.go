package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// tokenLife is longer than any test or demo runs: nobody renews a token in a kubeconfig.
const tokenLife = 7 * 24 * time.Hour

// ServiceAccountConfig returns a configuration for a client that is the ServiceAccount, by a token of its own, so that
// the API server allows what RBAC allows it and no more. The ServiceAccount has to exist.
func (a *Access) ServiceAccountConfig(ctx context.Context, namespace, name string) (*rest.Config, error) {
	request := &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: new(int64(tokenLife.Seconds()))},
	}
	answer, err := a.client.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, name, request, metav1.CreateOptions{})
	if err != nil {
		return nil, fmt.Errorf("token of ServiceAccount %s/%s: %w", namespace, name, err)
	}
	config := rest.AnonymousClientConfig(a.config)
	config.BearerToken = answer.Status.Token
	return config, nil
}

// ServiceAccountKubeconfig returns the path of a kubeconfig with which a program runs as the ServiceAccount, as it
// would in a pod.
func (a *Access) ServiceAccountKubeconfig(ctx context.Context, namespace, name string) (string, error) {
	config, err := a.ServiceAccountConfig(ctx, namespace, name)
	if err != nil {
		return "", err
	}
	path, err := a.file("kubeconfigs", namespace+"."+name)
	if err != nil {
		return "", err
	}
	return path, writeKubeconfig(path, config)
}

// writeKubeconfig writes a kubeconfig that needs no other file.
func writeKubeconfig(path string, config *rest.Config) error {
	if err := rest.LoadTLSFiles(config); err != nil {
		return fmt.Errorf("kubeconfig %s: %w", path, err)
	}
	const name = "default"
	kubeconfig := clientcmdapi.NewConfig()
	kubeconfig.Clusters[name] = &clientcmdapi.Cluster{
		Server:                   config.Host,
		CertificateAuthorityData: config.CAData,
		TLSServerName:            config.ServerName,
		InsecureSkipTLSVerify:    config.Insecure,
	}
	kubeconfig.AuthInfos[name] = &clientcmdapi.AuthInfo{Token: config.BearerToken}
	kubeconfig.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	kubeconfig.CurrentContext = name
	next, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".") // in one stroke: another may be reading it
	if err != nil {
		return fmt.Errorf("kubeconfig %s: %w", path, err)
	}
	if err := errors.Join(next.Close(), clientcmd.WriteToFile(*kubeconfig, next.Name()), os.Rename(next.Name(), path)); err != nil {
		return fmt.Errorf("kubeconfig %s: %w", path, err)
	}
	return nil
}

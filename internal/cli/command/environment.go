// Package command is what the commands of the kubectl plugin share: streams, the flags of
// kubectl, clients, and exit codes.
package command

import (
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	"kube-aws-iam-controller/internal/awsiamrole"
)

// Environment is what a command runs in.
type Environment struct {
	genericiooptions.IOStreams
	// Flags are kubectl's own: kubeconfig, context, namespace, impersonation.
	Flags *genericclioptions.ConfigFlags
	// Version is that of the plugin.
	Version string
}

// Clients are the clients of a command. They are bound by the permissions of whoever runs
// it.
type Clients struct {
	Core     kubernetes.Interface
	Metadata metadata.Interface
	Roles    *awsiamrole.Client
}

// Limits of requests per second. A person waits for the answer, and the API server has
// priority and fairness of its own.
const (
	qps   = 100
	burst = 200
)

// Namespace returns the namespace of the flags or of the current context.
func (e *Environment) Namespace() (string, error) {
	namespace, _, err := e.Flags.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return "", fmt.Errorf("read kubeconfig: %w", err)
	}
	return namespace, nil
}

// REST returns the configuration of clients.
func (e *Environment) REST() (*rest.Config, error) {
	cfg, err := e.Flags.ToRESTConfig()
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	cfg = rest.CopyConfig(cfg)
	cfg.UserAgent = e.UserAgent()
	cfg.QPS, cfg.Burst = qps, burst
	cfg.Wrap(reporting(cfg.Host))
	return cfg, nil
}

// Clients returns the clients of the cluster. It makes no request.
func (e *Environment) Clients() (*Clients, error) {
	cfg, err := e.REST()
	if err != nil {
		return nil, err
	}
	var c Clients
	var errs [3]error
	c.Core, errs[0] = kubernetes.NewForConfig(cfg)
	c.Metadata, errs[1] = metadata.NewForConfig(cfg)
	c.Roles, errs[2] = awsiamrole.NewClient(cfg)
	if err = errors.Join(errs[:]...); err != nil {
		return nil, fmt.Errorf("make clients: %w", err)
	}
	return &c, nil
}

// Reach returns an error if the API server cannot be reached, or does not know who asks: a
// command for which each answer is one of many would otherwise wait for all of them.
func (c *Clients) Reach() error {
	if _, err := c.Core.Discovery().ServerVersion(); err != nil && !apierrors.IsForbidden(err) {
		return fmt.Errorf("reach the API server: %w", err)
	}
	return nil
}

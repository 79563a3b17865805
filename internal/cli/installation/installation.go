// Package installation finds the controllers that are installed in a cluster, and how
// they are configured.
package installation

import (
	"context"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/config"
)

// selector selects the Deployments of controllers, whether they were installed by
// kustomize or by Helm.
const selector = "app.kubernetes.io/name=" + api.ControllerName

// A Controller is one installed controller.
type Controller struct {
	Deployment *appsv1.Deployment
	// Container is the controller's in the Deployment, and Image is its image.
	Container *corev1.Container
	Image     string
	// Env are the environment variables of the container, without those that are
	// secrets or fields of its pod.
	Env map[string]string
	// Config is the configuration of its process. It is valid only if ConfigError is nil:
	// a part of it may not be readable, or be unknown to this version.
	Config      config.Config
	ConfigError error
}

// Name returns the namespace and name of the Deployment.
func (c *Controller) Name() string { return c.Deployment.Namespace + "/" + c.Deployment.Name }

// Serves reports whether the controller serves a namespace, as far as its configuration
// is known.
func (c *Controller) Serves(namespace string) bool {
	return c.ConfigError != nil || c.Config.Namespace == "" || c.Config.Namespace == namespace
}

// newController returns nil for a Deployment without the controller's container.
func newController(ctx context.Context, client kubernetes.Interface, deployment *appsv1.Deployment) *Controller {
	containers := deployment.Spec.Template.Spec.Containers
	i := slices.IndexFunc(containers, func(c corev1.Container) bool { return c.Name == containerName })
	if i < 0 {
		return nil
	}
	c := &Controller{Deployment: deployment, Container: &containers[i], Image: containers[i].Image}
	env, err := environment(ctx, client, deployment.Namespace, c.Container)
	c.Env = env
	if err != nil {
		c.ConfigError = fmt.Errorf("the configuration of the controller %s is not known: %w", c.Name(), err)
		return c
	}
	c.Config, err = config.ParseInstalled(c.Container.Args, env)
	if err != nil {
		c.ConfigError = fmt.Errorf("the configuration of the controller %s is not understood by this version of kubectl aws-iam: %w", c.Name(), err)
	}
	return c
}

// containerName is the name of the controller's container in manifests and chart.
const containerName = "controller"

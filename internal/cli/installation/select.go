package installation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/internal/config"
	"kube-aws-iam-controller/internal/identity"
)

// ErrAbsent says that there is no such controller.
var ErrAbsent = errors.New("no controller was found")

// FlagUsage is the usage of the flag whose value Select takes as a name.
const FlagUsage = "The controller's Deployment, as NAMESPACE/NAME, if there is more than one, or if you may not list Deployments."

// Select returns the controller that is named as namespace/name, for which permission to
// get that Deployment is enough. Without a name it returns the only one that serves a
// namespace, "" for any. The error is ErrAbsent if there is none.
func (f *Finder) Select(ctx context.Context, name, namespace string) (*Controller, error) {
	if name != "" {
		return f.get(ctx, name)
	}
	found, err := f.In(ctx, metav1.NamespaceAll)
	if err != nil {
		return nil, fmt.Errorf("%w: name the controller with --controller", err)
	}
	found = slices.DeleteFunc(found, func(c *Controller) bool { return namespace != "" && !c.Serves(namespace) })
	switch len(found) {
	case 0:
		return nil, fmt.Errorf("%w among the Deployments with the label %s: name it with --controller if its labels are others", ErrAbsent, selector)
	case 1:
		return found[0], nil
	}
	var names []string
	for _, c := range found {
		names = append(names, c.Name())
	}
	return nil, fmt.Errorf("there are %d controllers: name the one that is meant with --controller: %s", len(found), strings.Join(names, ", "))
}

func (f *Finder) get(ctx context.Context, name string) (*Controller, error) {
	namespace, deployment, err := SplitName(name)
	if err != nil {
		return nil, err
	}
	found, err := f.client.AppsV1().Deployments(namespace).Get(ctx, deployment, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil, fmt.Errorf("%w: there is no Deployment %s", ErrAbsent, name)
	case err != nil:
		return nil, fmt.Errorf("read the Deployment %s: %w", name, err)
	}
	c := newController(ctx, f.client, found)
	if c == nil {
		return nil, fmt.Errorf("the Deployment %s is not a controller's: it has no container named %s", name, containerName)
	}
	f.warnOfSkew(c)
	return c, nil
}

// SplitName returns the two parts of NAMESPACE/NAME.
func SplitName(name string) (namespace, deployment string, err error) {
	namespace, deployment, found := strings.Cut(name, "/")
	if !found || namespace == "" || deployment == "" || strings.Contains(deployment, "/") {
		return "", "", fmt.Errorf("--controller: %s is not the name of a Deployment: give NAMESPACE/NAME", identity.Quote(name))
	}
	return namespace, deployment, nil
}

// Configuration returns the configuration of the controller after override. Without a
// cluster name it is an error, because nothing that a command does would be right.
func (c *Controller) Configuration(override func(*config.Config)) (config.Config, error) {
	if c.ConfigError != nil {
		return config.Config{}, c.ConfigError
	}
	cfg := c.Config
	override(&cfg)
	if cfg.ClusterName == "" {
		return cfg, fmt.Errorf("the controller %s has no cluster name as far as its Deployment tells: give the one that it runs with as --cluster-name", c.Name())
	}
	return cfg, cfg.Validate()
}

// Account returns the name of the controller's ServiceAccount, which is in the namespace
// of the Deployment.
func (c *Controller) Account() string {
	return cmp.Or(c.Deployment.Spec.Template.Spec.ServiceAccountName, "default")
}

// User returns the user name of the controller's ServiceAccount.
func (c *Controller) User() string { return User(c.Deployment.Namespace, c.Account()) }

// User returns the user name of a ServiceAccount.
func User(namespace, account string) string {
	return "system:serviceaccount:" + namespace + ":" + account
}

package chart

import (
	"context"
	"log/slog"
	"sync"

	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/kube"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/rest"
)

// Helm installs, upgrades and uninstalls the release Name as the program helm does. Nothing waits for pods, which no node
// runs.
type Helm struct {
	// Kubeconfig is the path of that of whoever installs.
	Kubeconfig, Namespace string
	// Warnings is told of what the API server warns of, such as a field that it does not know. Nil logs it.
	Warnings rest.WarningHandler
}

// named has objects be those of helm among the managers of fields, not those of the program that runs.
var named = sync.OnceFunc(func() { kube.ManagedFieldsManager = "helm" })

// Configuration is that of the program helm, for what Helm does not do by itself.
func (h Helm) Configuration() (*action.Configuration, error) {
	named()
	flags := genericclioptions.NewConfigFlags(false)
	flags.KubeConfig, flags.Namespace = &h.Kubeconfig, &h.Namespace
	flags.WrapConfigFn = func(config *rest.Config) *rest.Config {
		config.WarningHandler = h.Warnings
		return config
	}
	c := action.NewConfiguration(action.ConfigurationSetLogger(slog.DiscardHandler))
	return c, c.Init(flags, h.Namespace, "secret")
}

// Install is helm install.
func (h Helm) Install(ctx context.Context, values map[string]any, options ...func(*action.Install)) error {
	chart, err := Load()
	if err != nil {
		return err
	}
	configuration, err := h.Configuration()
	if err != nil {
		return err
	}
	install := action.NewInstall(configuration)
	install.ReleaseName, install.Namespace, install.WaitStrategy = Name, h.Namespace, kube.HookOnlyStrategy
	for _, option := range options {
		option(install)
	}
	_, err = install.RunWithContext(ctx, chart, values)
	return err
}

// Upgrade is helm upgrade.
func (h Helm) Upgrade(ctx context.Context, values map[string]any, options ...func(*action.Upgrade)) error {
	chart, err := Load()
	if err != nil {
		return err
	}
	configuration, err := h.Configuration()
	if err != nil {
		return err
	}
	upgrade := action.NewUpgrade(configuration)
	upgrade.Namespace, upgrade.WaitStrategy, upgrade.ServerSideApply = h.Namespace, kube.HookOnlyStrategy, "auto"
	for _, option := range options {
		option(upgrade)
	}
	_, err = upgrade.RunWithContext(ctx, Name, chart, values)
	return err
}

// Uninstall is helm uninstall without hooks, whose Job no node runs, of a release that may not be there.
func (h Helm) Uninstall() error {
	configuration, err := h.Configuration()
	if err != nil {
		return err
	}
	uninstall := action.NewUninstall(configuration)
	uninstall.DisableHooks = true
	uninstall.IgnoreNotFound, uninstall.WaitStrategy, uninstall.DeletionPropagation = true, kube.HookOnlyStrategy, "background"
	_, err = uninstall.Run(Name)
	return err
}

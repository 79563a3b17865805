package app

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"os"
	"slices"

	"github.com/go-kit/log"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/awsiamrole"
	"kube-aws-iam-controller/internal/broker"
	"kube-aws-iam-controller/internal/config"
	"kube-aws-iam-controller/internal/events"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/kube"
	"kube-aws-iam-controller/internal/leader"
	"kube-aws-iam-controller/internal/namespaces"
	"kube-aws-iam-controller/internal/queue"
	"kube-aws-iam-controller/internal/secrets"
	"kube-aws-iam-controller/internal/serviceaccount"
	"kube-aws-iam-controller/internal/sts"
	"kube-aws-iam-controller/internal/telemetry"
	"kube-aws-iam-controller/internal/trust"
)

// build wires the controller. It calls neither AWS nor the API server.
func build(ctx context.Context, version string, cfg config.Config, logger log.Logger) (*controller, error) {
	own := ownNamespace()
	if cfg.LeaderElectNamespace == "" {
		cfg.LeaderElectNamespace = own
	}
	if cfg.LeaderElect && cfg.LeaderElectNamespace == "" {
		return nil, errors.New("--leader-elect outside a cluster needs --leader-elect-namespace")
	}
	registry := prometheus.NewRegistry()
	metrics, err := telemetry.NewMetrics(registry, version)
	if err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	fence := leader.NewFence()
	clients, err := kube.Connect(kube.Options{
		Kubeconfig: cfg.Kubeconfig, APIServer: cfg.APIServer, QPS: cfg.KubeAPIQPS, Allowed: fence.Check,
		UserAgent: name + "/" + version, Logger: logger,
	})
	if err != nil {
		return nil, err
	}
	assumer, err := newAssumer(ctx, cfg, own, sts.ConfigOptions{Observe: metrics.ObserveAWSRequest, Allowed: fence.Check})
	if err != nil {
		return nil, err
	}
	warnOfNoNamespace(logger, own)
	warnOfTags(logger, assumer)
	c := &controller{config: cfg, logger: logger, clients: clients, fence: fence, metrics: metrics}
	if err = c.assemble(assumer, c.newProvisioner(assumer), registry); err != nil {
		return nil, err
	}
	if err = c.openWebhook(ctx, own, registry); err != nil {
		return nil, err
	}
	return c, c.openMetrics(ctx, registry)
}

// assemble makes the broker and what it needs.
func (c *controller) assemble(sessions *sts.Assumer, roles broker.Roles, registry *prometheus.Registry) error {
	queueMetrics, err := telemetry.NewQueueMetrics(registry)
	if err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}
	if err = telemetry.RegisterRESTClient(registry); err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}
	sources, keys, err := c.openSources()
	if err != nil {
		return err
	}
	c.events = record.NewBroadcaster()
	c.events.StartRecordingToSink(&corev1client.EventSinkImpl{Interface: c.clients.Events.CoreV1().Events("")})
	recorder := c.events.NewRecorder(runtime.NewScheme(), corev1.EventSource{Component: api.ControllerName})
	reporter := events.New(recorder, c.clients.Core.CoreV1(), c.logger)
	if err = c.openRules(sessions, roles, reporter, keys); err != nil {
		return err
	}
	b := broker.New(broker.Config{
		Sources:      sources,
		Rules:        c.rules,
		Sessions:     sessions,
		Roles:        roles,
		Holder:       c.accounts,
		Secrets:      c.store,
		Reporter:     reporter,
		Metrics:      c.metrics,
		Logger:       c.logger,
		RefreshLimit: c.config.RefreshLimit,
		RoleReady:    c.config.RoleReadyTimeout,

		DriftInterval:       c.config.DriftInterval,
		OrphanSweepInterval: c.config.OrphanSweepInterval,
		Namespace:           c.config.Namespace,
		RequireExternalID:   c.config.RequireExternalID,
	})
	c.broker = b
	settings := queueOf(b, iamWorkers(c.config))
	settings.Metrics = queueMetrics
	c.queue = queue.New(c.logger, syncWith(b), settings)
	return registry.Register(telemetry.NewIdentities(c.metrics.Leading, observed(b, keys),
		[]string{string(identity.ServiceAccount), string(identity.AWSIAMRole)}, broker.States()))
}

// openSources makes the informers and the sources on top of them.
func (c *controller) openSources() (map[identity.Source]broker.Source, []func() iter.Seq[identity.Key], error) {
	namespace := c.config.Namespace
	accounts, err1 := c.clients.MetadataInformer(serviceaccount.Resource, namespace, "", serviceaccount.Transform)
	roles, err2 := c.clients.RoleInformer(namespace)
	credentials := map[identity.Source]*kube.Informer{}
	var err3, err4 error
	credentials[identity.ServiceAccount], err3 = c.secretInformer(identity.ServiceAccount)
	credentials[identity.AWSIAMRole], err4 = c.secretInformer(identity.AWSIAMRole)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return nil, nil, err
	}

	externalID := func(namespace string) string { return trust.ExternalID(namespace, c.config.ClusterName) }
	fromAccounts := serviceaccount.NewSource(c.clients.Metadata, accounts, serviceaccount.Config{
		ExternalID: externalID,
		SecretName: func(account string) string { return secrets.Name(identity.ServiceAccount, account) },
		MaxName:    secrets.MaxServiceAccountName,
		IRSAServed: irsaServed(os.Getenv),
		Lookup:     c.clients.Lookup,

		LookupStrange: c.clients.LookupStrange,
	})
	c.accounts = fromAccounts
	fromRoles := awsiamrole.NewSource(c.clients.Roles, roles, externalID)
	c.sources = []source{
		{identity.ServiceAccount, accounts, credentials[identity.ServiceAccount], fromAccounts.Watch},
		{identity.AWSIAMRole, roles, credentials[identity.AWSIAMRole], fromRoles.Watch},
	}
	informers := map[identity.Source]cache.SharedIndexInformer{}
	for _, s := range slices.Sorted(maps.Keys(credentials)) {
		informers[s] = credentials[s]
	}
	c.store = secrets.NewStore(c.clients.Core.CoreV1(), informers)
	return map[identity.Source]broker.Source{identity.ServiceAccount: fromAccounts, identity.AWSIAMRole: fromRoles},
		[]func() iter.Seq[identity.Key]{fromAccounts.Keys, fromRoles.Keys}, nil
}

// openRules makes what knows which roles namespaces may use.
func (c *controller) openRules(
	sessions *sts.Assumer, roles broker.Roles, reporter *events.Reporter, keys []func() iter.Seq[identity.Key],
) error {
	informer, err := c.clients.NamespaceInformer(c.config.Namespace, namespaces.Transform)
	if err != nil {
		return err
	}
	c.rules = &rules{
		Source: namespaces.NewSource(c.clients.Metadata, informer, namespaces.Config{
			Restrict: c.config.NamespaceRestrictions, Base: sessions.Base, Managed: roles.Reference,
		}),
		runsOn: sessions.RunsOn, informer: informer, reporter: reporter, keys: keys,
		changed: map[string]bool{}, wake: make(chan struct{}, 1),
	}
	return nil
}

func (c *controller) secretInformer(s identity.Source) (*kube.Informer, error) {
	return c.clients.MetadataInformer(corev1.SchemeGroupVersion.WithResource("secrets"), c.config.Namespace,
		secrets.Selector(s), secrets.Transform(s))
}

package app

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/go-kit/log"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/record"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/broker"
	"kube-aws-iam-controller/internal/config"
	"kube-aws-iam-controller/internal/events"
	"kube-aws-iam-controller/internal/externalid"
	"kube-aws-iam-controller/internal/iamprovision"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/kube"
	"kube-aws-iam-controller/internal/leader"
	"kube-aws-iam-controller/internal/managedrole"
	"kube-aws-iam-controller/internal/queue"
	"kube-aws-iam-controller/internal/setup"
	"kube-aws-iam-controller/internal/status"
	"kube-aws-iam-controller/internal/sts"
	"kube-aws-iam-controller/internal/telemetry"
)

// build wires the controller and opens its listeners. It calls neither AWS nor the API
// server.
func build(ctx context.Context, version string, cfg config.Config, logger log.Logger) (*controller, error) {
	c, registry, err := wire(ctx, version, cfg, logger)
	if err != nil {
		return nil, err
	}
	if err = c.openWebhook(ctx, ownNamespace(), registry); err != nil {
		return nil, err
	}
	return c, c.openMetrics(ctx, registry)
}

// wire is build without the listeners.
func wire(ctx context.Context, version string, cfg config.Config, logger log.Logger) (*controller, *prometheus.Registry, error) {
	own := ownNamespace()
	if err := defaultLeaseNamespace(&cfg, own); err != nil {
		return nil, nil, err
	}
	registry := prometheus.NewRegistry()
	metrics, err := telemetry.NewMetrics(registry, version)
	if err != nil {
		return nil, nil, fmt.Errorf("register metrics: %w", err)
	}
	fence := leader.NewFence()
	clients, err := kube.Connect(kube.Options{
		Kubeconfig: cfg.Kubeconfig, APIServer: cfg.APIServer, QPS: cfg.KubeAPIQPS, Allowed: fence.Check,
		UserAgent: name + "/" + version, Logger: logger,
	})
	if err != nil {
		return nil, nil, err
	}
	assumer, err := setup.NewAssumer(ctx, cfg, own,
		sts.ConfigOptions{Observe: metrics.ObserveAWSRequest, Allowed: fence.Check}, metrics.ObserveOwnCredentialsError)
	if err != nil {
		return nil, nil, err
	}
	warnOfNoNamespace(logger, own)
	warnOfTags(logger, assumer)
	c := &controller{
		config: cfg, logger: logger, clients: clients, configurations: clients.WebhookConfigurations(),
		mutatingWebhooks: clients.MutatingWebhooks(), fence: fence, metrics: metrics,
	}
	return c, registry, c.assemble(assumer, c.newProvisioner(assumer), registry)
}

func defaultLeaseNamespace(cfg *config.Config, own string) error {
	if cfg.LeaderElectNamespace == "" {
		cfg.LeaderElectNamespace = own
	}
	if cfg.LeaderElect && cfg.LeaderElectNamespace == "" {
		return errors.New("--leader-elect outside a cluster needs --leader-elect-namespace")
	}
	return nil
}

// newProvisioner needs the ServiceAccounts only once roles are managed.
func (c *controller) newProvisioner(assumer *sts.Assumer) *iamprovision.Provisioner {
	owners := func() iter.Seq[identity.Key] { return c.accounts.Owners() }
	return setup.NewProvisioner(c.config, c.clients, assumer, owners, c.logger)
}

// assemble makes the broker, its queue and what they need.
func (c *controller) assemble(sessions *sts.Assumer, iam *iamprovision.Provisioner, registry *prometheus.Registry) error {
	queueMetrics, err := telemetry.NewQueueMetrics(registry)
	if err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}
	if err = errors.Join(telemetry.RegisterRESTClient(registry), telemetry.RegisterOwnCredentials(registry, sessions.FileExpiration)); err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}
	sources, keys, err := c.openSources(sessions.Base)
	if err != nil {
		return err
	}
	reporter := c.newReporter()
	if err = c.openRules(sessions, iam, reporter, keys); err != nil {
		return err
	}
	c.validator = c.newValidator(sessions, reporter)
	c.roles = c.newManagedRoles(iam, reporter)
	c.broker = c.newBroker(sources, sessions, reporter)
	settings := queueOf(c.broker, slowWorkers(iamWorkers(c.config)))
	settings.Metrics = queueMetrics
	c.queue = queue.New(c.logger, syncWith(c.broker), settings)
	return errors.Join(telemetry.RegisterQueueWait(registry, c.queue.LongestWaits),
		telemetry.RegisterDriftInterval(registry, c.metrics.Leading, c.roles.CurrentDriftInterval),
		registry.Register(telemetry.NewIdentities(telemetry.IdentityOptions{
			Leading: c.metrics.Leading, List: c.observed(keys), Named: c.config.IdentityMetrics(),
			Sources: []string{string(identity.ServiceAccount), string(identity.AWSIAMRole)}, States: append(status.States(), releasing),
		})))
}

// rememberedEvents is how many recorded events of each kind client-go remembers, to
// count repetitions instead of creating another event. By default it keeps 4,096, of which
// most are of credentials that were issued, and are never repeated.
const rememberedEvents = 1024

func (c *controller) newReporter() *events.Reporter {
	c.events = record.NewBroadcasterWithCorrelatorOptions(record.CorrelatorOptions{LRUCacheSize: rememberedEvents})
	c.events.StartRecordingToSink(c.clients.EventSink())
	recorder := c.events.NewRecorder(runtime.NewScheme(), corev1.EventSource{Component: api.ControllerName})
	return events.New(recorder, c.clients.Pods, c.logger)
}

func (c *controller) newBroker(
	sources map[identity.Source]broker.Source, sessions *sts.Assumer, reporter *events.Reporter,
) *broker.Broker {
	return broker.New(broker.Config{
		Sources: sources, Rules: c.rules, Sessions: sessions, Roles: c.roles, Secrets: c.store,
		ExternalIDs: externalid.New(sessions, c.config.RequireExternalID, c.logger),
		Status:      status.New(reporter, c.logger), Metrics: c.metrics, Logger: c.logger,
		RefreshLimit: c.config.RefreshLimit,
	})
}

func (c *controller) newManagedRoles(iam *iamprovision.Provisioner, reporter *events.Reporter) *managedrole.Manager {
	return managedrole.New(managedrole.Config{
		IAM: iam, Finalizers: c.accounts, Secrets: c.store, Events: reporter, Metrics: c.metrics, Logger: c.logger, OfferPolicy: c.validator.Offer, ReadBoundary: c.config.ValidatePolicies,
		ReadyTimeout: c.config.RoleReadyTimeout, DriftInterval: c.config.DriftInterval,
		SweepInterval: c.config.OrphanSweepInterval, Namespace: c.config.Namespace,
		IAMQPS: c.config.IAMQPS, InspectionRequests: iamprovision.DiffersCalls, Inspections: inspections(iamWorkers(c.config)),
	})
}

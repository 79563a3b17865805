package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"

	"kube-aws-iam-controller/internal/awsiamrole"
	"kube-aws-iam-controller/internal/broker"
	"kube-aws-iam-controller/internal/config"
	"kube-aws-iam-controller/internal/iamprovision"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/kube"
	"kube-aws-iam-controller/internal/leader"
	"kube-aws-iam-controller/internal/namespaces"
	"kube-aws-iam-controller/internal/report"
	"kube-aws-iam-controller/internal/secrets"
	"kube-aws-iam-controller/internal/serviceaccount"
	"kube-aws-iam-controller/internal/session"
	"kube-aws-iam-controller/internal/telemetry"
	"kube-aws-iam-controller/internal/trust"
	"kube-aws-iam-controller/internal/workloop"
)

// build wires the controller. It calls neither AWS nor the API server.
func build(ctx context.Context, cfg config.Config, logger log.Logger) (*controller, error) {
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
	assumer, err := newAssumer(ctx, cfg, own, session.ConfigOptions{Observe: metrics.ObserveAWSRequest, Allowed: fence.Check})
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
func (c *controller) assemble(sessions *session.Assumer, roles broker.Roles, registry *prometheus.Registry) error {
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
	recorder := c.events.NewRecorder(runtime.NewScheme(), corev1.EventSource{Component: report.Component})
	reporter := report.New(recorder, c.clients.Core.CoreV1(), c.logger)
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
	queue := queueOf(b, iamWorkers(c.config))
	queue.Metrics = queueMetrics
	c.loop = workloop.New(c.logger, b.SyncQuickly, queue)
	return registry.Register(telemetry.NewIdentities(c.metrics.Leading, observed(b, keys),
		[]string{string(identity.ServiceAccount), string(identity.AWSIAMRole)}, broker.States()))
}

// queueOf returns how the identities of a broker queue.
func queueOf(b *broker.Broker, iamWorkers int) workloop.Config[identity.Key] {
	return workloop.Config[identity.Key]{
		Name: "identities", Grace: grace,
		Deadline: b.Deadline, Urgent: urgent, Flow: func(k identity.Key) string { return k.Namespace },
		Slow:  workloop.Slow[identity.Key]{Left: broker.ErrSlow, Sync: b.Sync, Workers: iamWorkers},
		Limit: longest,
	}
}

// iamWorkers returns how many identities wait for IAM at once, besides those that
// do not: as many as it answers in half a second, more would only stand in line. At
// most so many that three quarters, which one namespace may have, are --workers.
func iamWorkers(cfg config.Config) int {
	return max(1, min(cfg.Workers*4/3, int(cfg.IAMQPS/2)))
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
	sessions *session.Assumer, roles broker.Roles, reporter *report.Reporter, keys []func() iter.Seq[identity.Key],
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

// readiness has a check for each source, and one that anything is served at all.
func (c *controller) readiness() []telemetry.Check {
	checks := []telemetry.Check{{Name: "sources", Test: c.serves}, {Name: "namespaces", Test: c.rules.ready}}
	if c.webhook != nil {
		checks = append(checks, telemetry.Check{Name: "webhook", Test: c.webhook.ready})
	}
	for _, s := range c.sources {
		checks = append(checks, telemetry.Check{Name: string(s.name), Test: s.ready})
	}
	return checks
}

// ready returns nil once both caches of a source are filled. A source whose
// objects the API server refuses to show is none.
func (s *source) ready() error {
	if s.objects.Refused() {
		return nil
	}
	return errors.Join(s.objects.Ready(), s.secrets.Ready())
}

// serves returns an error unless at least one source is served.
func (c *controller) serves() error {
	for _, s := range c.sources {
		if s.objects.Ready() == nil && s.secrets.Ready() == nil {
			return nil
		}
	}
	return errors.New("neither ServiceAccounts nor AWSIAMRoles are served")
}

// observed yields what metrics tell of every identity.
func observed(b *broker.Broker, keys []func() iter.Seq[identity.Key]) func() iter.Seq[telemetry.Identity] {
	return func() iter.Seq[telemetry.Identity] {
		return func(yield func(telemetry.Identity) bool) {
			now := time.Now()
			for _, list := range keys {
				for key := range list() {
					state, expiration := b.State(key, now)
					if !yield(telemetry.Identity{
						Source: string(key.Source), Namespace: key.Namespace, Name: key.Name, State: state, Expiration: expiration,
					}) {
						return
					}
				}
			}
		}
	}
}

// newAssumer prepares the controller's own credentials and what it does with
// them.
func newAssumer(ctx context.Context, cfg config.Config, own string, options session.ConfigOptions) (*session.Assumer, error) {
	options.CredentialsFile = cfg.CredentialsFile
	aws, err := session.LoadConfig(ctx, options)
	if err != nil {
		return nil, err
	}
	return session.New(aws, sessionOptions(cfg, own))
}

// sessionOptions says on whose behalf roles are assumed.
func sessionOptions(cfg config.Config, own string) session.Options {
	return session.Options{
		BaseRoleARN:       cfg.BaseRoleARN,
		AssumeRole:        cfg.AssumeRole,
		ControllerRoleARN: cfg.ControllerRoleARN,
		OwnNamespace:      own,
		ClusterName:       cfg.ClusterName,
		SessionTags:       cfg.SessionTags,
		QPS:               cfg.STSQPS,
	}
}

// newProvisioner prepares what makes roles, whether or not it is to make any.
func (c *controller) newProvisioner(assumer *session.Assumer) *iamprovision.Provisioner {
	uid := clusterUID{client: c.clients.Metadata, reviews: c.clients.Core.AuthorizationV1().SelfSubjectAccessReviews(), logger: c.logger}
	return iamprovision.New(assumer.Config(), iamprovision.Options{
		ClusterName:          c.config.ClusterName,
		Path:                 c.config.RolePath,
		Boundary:             c.config.PermissionsBoundary,
		AllowWithoutBoundary: c.config.AllowRolesWithoutBoundary,
		Tags:                 c.config.RoleTags,
		QPS:                  c.config.IAMQPS,
		MaxPerNamespace:      c.config.MaxRolesPerNamespace,
		ClusterUID:           uid.get,
		AdoptUID:             c.config.AdoptRolesOfClusterUID,
		Owners:               func() iter.Seq[identity.Key] { return c.accounts.Owners() },
		Logger:               c.logger,
		Principal:            assumer.Principal,
		Account:              assumer.Account,
		SessionName:          session.AccountName,
		CarriesTags:          assumer.CarriesTags,
	})
}

// warnOfTags says what the controller's own credentials can do to roles.
func warnOfTags(logger log.Logger, assumer *session.Assumer) {
	if caution := assumer.Caution(); caution != "" {
		level.Warn(logger).Log("msg", caution)
	}
}

// warnOfNoNamespace says what follows from not knowing the own namespace.
func warnOfNoNamespace(logger log.Logger, own string) {
	if own == "" {
		level.Warn(logger).Log("msg", "the controller's own namespace is not known, so nobody gets its own roles, "+
			"and credentials of them that exist are not renewed: set POD_NAMESPACE if the controller runs on such credentials")
	}
}

// irsaServed says whether the webhook of EKS is in the cluster, by where this
// process has its own credentials from:
// https://docs.aws.amazon.com/eks/latest/userguide/pod-configuration.html and
// https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html.
func irsaServed(env func(string) string) bool {
	return strings.HasPrefix(env("AWS_WEB_IDENTITY_TOKEN_FILE"), "/var/run/secrets/eks.amazonaws.com/") ||
		strings.HasPrefix(env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"), "/var/run/secrets/pods.eks.amazonaws.com/")
}

// ownNamespace returns the namespace of the Pod that the process runs in, ""
// outside a cluster. Nothing else tells: the namespace of a kubeconfig is where
// somebody works, that of the Lease where there is room for one, and whoever may
// write objects there would be given the controller's own roles.
func ownNamespace() string {
	if namespace := os.Getenv("POD_NAMESPACE"); namespace != "" {
		return namespace
	}
	namespace, err := os.ReadFile("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(namespace))
}

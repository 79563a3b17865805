package app

import (
	"context"
	"runtime/debug"
	"time"

	"github.com/go-kit/log"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"

	"kube-aws-iam-controller/internal/broker"
	"kube-aws-iam-controller/internal/certificates"
	"kube-aws-iam-controller/internal/config"
	"kube-aws-iam-controller/internal/httpserver"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/kube"
	"kube-aws-iam-controller/internal/leader"
	"kube-aws-iam-controller/internal/managedrole"
	"kube-aws-iam-controller/internal/policycheck"
	"kube-aws-iam-controller/internal/queue"
	"kube-aws-iam-controller/internal/secrets"
	"kube-aws-iam-controller/internal/serviceaccount"
	"kube-aws-iam-controller/internal/telemetry"
)

const (
	// name is the name in the user agent, and the prefix of the webhook's name.
	name = "kube-aws-iam-controller"
	// grace is how long syncs in flight may go on after SIGTERM. The rest of the ten
	// seconds until the exit is for releasing the Lease and a last scrape. There is no
	// grace period after the Lease is lost.
	grace = 7 * time.Second
	// shutdownTimeout is how long the whole shutdown may take.
	shutdownTimeout = 9 * time.Second
	// syncTimeout is how long the sync of one object may take. A sync that times out is
	// retried: it may be interrupted after every step.
	syncTimeout = 2 * time.Minute
	// urgent is how soon credentials have to expire to be renewed before objects
	// without credentials are served.
	urgent = 2 * time.Minute
	// stuckTimeout is when a worker is reported as stuck, because no sync takes so long.
	stuckTimeout = 5 * time.Minute
)

// A source is a kind of object, with the Secrets for its objects.
type source struct {
	name identity.Source
	// objects and secrets are informers. They run on standbys as well, so that a new
	// leader has full caches.
	objects, secrets *kube.Informer
	watch            func(changed func(identity.Key)) error
}

// controller is the wired process.
type controller struct {
	config  config.Config
	logger  log.Logger
	clients *kube.Clients
	// configurations is a client for the cluster's MutatingWebhookConfigurations.
	configurations certificates.Webhooks
	// mutatingWebhooks lists them.
	mutatingWebhooks webhookLister
	// fence is closed when the Lease is lost.
	fence   *leader.Fence
	sources []source
	// accounts keeps a finalizer on ServiceAccounts with a managed role.
	accounts *serviceaccount.Source
	store    *secrets.Store
	rules    *rules
	queue    *queue.Queue[identity.Key]
	broker   *broker.Broker
	roles    *managedrole.Manager
	// validator is nil if nothing looks at policies.
	validator *policycheck.Validator
	events    record.EventBroadcaster
	metrics   *telemetry.Metrics
	server    *httpserver.Server
	// secureMetrics is nil if metrics are served without authorization, with the probes.
	secureMetrics *httpserver.Server
	// webhook is nil if it is disabled.
	webhook *webhook
}

// run runs until ctx is done or a component fails.
func (c *controller) run(ctx context.Context) error {
	defer c.events.Shutdown()
	all, ctx := newRunGroup(ctx, c.logger)
	all.start("metrics and probes", func() error { return c.server.Serve(ctx) })
	if c.secureMetrics != nil {
		all.start("metrics", func() error { return c.secureMetrics.Serve(ctx) })
	}
	if c.webhook != nil {
		all.start("webhook", func() error { return c.webhook.run(ctx) })
	}
	for _, s := range c.sources {
		all.start("watch", func() error { s.objects.RunWithContext(ctx); return nil })
		all.start("watch", func() error { s.secrets.RunWithContext(ctx); return nil })
	}
	all.start("watch", func() error { c.rules.informer.RunWithContext(ctx); return nil })
	all.start("memory", func() error { c.freeMemory(ctx, debug.FreeOSMemory); return nil })
	all.start("connection", func() error { c.clients.AwaitReachable(ctx); return nil })
	all.start("work", func() error { return c.work(ctx) })
	return all.await(ctx, shutdownTimeout)
}

// work serves identities until ctx is done, if this controller may run in the cluster.
func (c *controller) work(ctx context.Context) error {
	if err := c.checkIRSA(ctx); err != nil {
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it was asked to end
		}
		return err
	}
	return c.elect(ctx)
}

// elect leads while this replica is the leader. Without leader election it leads until
// the process ends.
func (c *controller) elect(ctx context.Context) error {
	if !c.config.LeaderElect {
		c.metrics.SetLeader(true)
		c.lead(ctx, context.WithoutCancel(ctx))
		return nil
	}
	return leader.Run(ctx, c.election(), c.lead)
}

func (c *controller) election() leader.Config {
	return leader.Config{
		Leases:    c.clients.Leases(c.config.LeaderElectNamespace),
		Namespace: c.config.LeaderElectNamespace,
		Name:      c.config.LeaderElectName,
		Serves:    c.config.Namespace,
		Fence:     c.fence,
		Changed:   c.metrics.SetLeader,
		Logger:    c.logger,
	}
}

// lead serves identities until ctx is done. Syncs in flight may then be finished, as
// long as held is not done.
func (c *controller) lead(ctx, held context.Context) {
	c.broker.Begin()
	var group errgroup.Group
	for _, s := range c.sources {
		group.Go(func() error { return c.feed(ctx, s) })
	}
	group.Go(func() error { return c.rules.requeue(ctx, c.queue.Add) })
	group.Go(func() error { c.sweepOrphans(ctx); return nil })
	group.Go(func() error { c.warnBesideEKS(ctx); return nil })
	group.Go(func() error { c.validator.Run(ctx); return nil })
	group.Go(func() error { c.rules.reporter.WarnPods(ctx, c.failed); return nil })
	c.queue.Run(ctx, held, c.config.Workers)
	_ = group.Wait() // all of them end with ctx, and only then with an error
}

// sweepOrphans deletes roles that no ServiceAccount asks for, once ServiceAccounts are
// known.
func (c *controller) sweepOrphans(ctx context.Context) {
	for _, s := range c.sources {
		if s.name == identity.ServiceAccount && !cache.WaitFor(ctx, string(s.name), s.objects.HasSyncedChecker()) {
			return
		}
	}
	c.roles.SweepOrphans(ctx, c.queue.Add)
}

// feed adds the identities of a source to the queue once both caches of the source are
// filled: before that an object may seem to be deleted. It waits for the rules of
// namespaces too, which would otherwise be read one by one.
func (c *controller) feed(ctx context.Context, s source) error {
	if !cache.WaitFor(ctx, string(s.name), s.objects.HasSyncedChecker(), s.secrets.HasSyncedChecker()) {
		return context.Cause(ctx)
	}
	if !c.rules.informer.AwaitSettled(ctx) {
		return context.Cause(ctx)
	}
	if err := c.store.Watch(s.name, c.queue.Add); err != nil {
		return err
	}
	return s.watch(c.queue.Add)
}

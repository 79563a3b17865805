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
	"kube-aws-iam-controller/internal/config"
	"kube-aws-iam-controller/internal/httpserver"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/kube"
	"kube-aws-iam-controller/internal/leader"
	"kube-aws-iam-controller/internal/managedrole"
	"kube-aws-iam-controller/internal/queue"
	"kube-aws-iam-controller/internal/secrets"
	"kube-aws-iam-controller/internal/serviceaccount"
	"kube-aws-iam-controller/internal/telemetry"
)

const (
	// name is the user agent's, and begins that of the webhook.
	name = "kube-aws-iam-controller"
	// grace is what is left of the ten seconds between SIGTERM and the exit
	// once the Lease has been released and the last metrics scraped. Nothing
	// else has it, least of all the loss of the Lease.
	grace = 7 * time.Second
	// leave is how long the whole end may take.
	leave = 9 * time.Second
	// longest is how long a worker may be busy with one object. What is not done
	// by then is tried again: every step can be the last.
	longest = 2 * time.Minute
	// urgent is how soon credentials have to run out to be renewed before those who
	// have none are served.
	urgent = 2 * time.Minute
	// stuck is when a worker is seen to be busy for longer than it could be.
	stuck = 5 * time.Minute
)

// A source is one kind of object and the Secrets that belong to it.
type source struct {
	name identity.Source
	// objects and secrets are watched whether or not this replica leads, so
	// that a standby has nothing to catch up with.
	objects, secrets *kube.Informer
	watch            func(changed func(identity.Key)) error
}

// controller is the process once it is wired.
type controller struct {
	config  config.Config
	logger  log.Logger
	clients *kube.Clients
	// fence is closed when the Lease is lost.
	fence   *leader.Fence
	sources []source
	// accounts hold ServiceAccounts back while a role of their own is there.
	accounts *serviceaccount.Source
	store    *secrets.Store
	rules    *rules
	queue    *queue.Queue[identity.Key]
	broker   *broker.Broker
	roles    *managedrole.Manager
	events   record.EventBroadcaster
	metrics  *telemetry.Metrics
	server   *httpserver.Server
	// secureMetrics is nil where everybody may read metrics, beside the probes.
	secureMetrics *httpserver.Server
	// webhook is nil where pods are not mutated by this process.
	webhook *webhook
}

// run runs until ctx is done or something ends that should not.
func (c *controller) run(ctx context.Context) error {
	defer c.events.Shutdown()
	all, ctx := newComponents(ctx, c.logger)
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
	all.start("memory", func() error { c.giveBack(ctx, debug.FreeOSMemory); return nil })
	all.start("connection", func() error { c.clients.AwaitReachable(ctx); return nil })
	all.start("work", func() error { return c.elect(ctx) })
	return all.await(ctx, leave)
}

// elect does the work while this replica is the leader, or at once if there is no
// election. Without one the right to work ends with the process alone.
func (c *controller) elect(ctx context.Context) error {
	if !c.config.LeaderElect {
		c.metrics.SetLeader(true)
		c.lead(ctx, context.WithoutCancel(ctx))
		return nil
	}
	return leader.Run(ctx, leader.Config{
		Client:    c.clients.Lease.CoordinationV1(),
		Namespace: c.config.LeaderElectNamespace,
		Name:      c.config.LeaderElectName,
		Serves:    c.config.Namespace,
		Fence:     c.fence,
		Changed:   c.metrics.SetLeader,
		Logger:    c.logger,
	}, c.lead)
}

// lead does the work until ctx is done, and finishes what it has in hand for as
// long as held is not.
func (c *controller) lead(ctx, held context.Context) {
	c.broker.Begin()
	var group errgroup.Group
	for _, s := range c.sources {
		group.Go(func() error { return c.feed(ctx, s) })
	}
	group.Go(func() error { return c.rules.watch(ctx, c.queue.Add) })
	group.Go(func() error { c.sweepOrphans(ctx); return nil })
	group.Go(func() error { c.rules.reporter.WarnPods(ctx, c.broker.Unserved); return nil })
	c.queue.Run(ctx, held, c.config.Workers)
	_ = group.Wait() // feeding ends with ctx, and only then in an error
}

// sweepOrphans looks for roles that nobody asks for, from when it is known who
// does.
func (c *controller) sweepOrphans(ctx context.Context) {
	for _, s := range c.sources {
		if s.name == identity.ServiceAccount && !cache.WaitFor(ctx, string(s.name), s.objects.HasSyncedChecker()) {
			return
		}
	}
	c.roles.SweepOrphans(ctx, c.queue.Add)
}

// feed adds the identities of a source to the queue, from when both its caches
// are filled: until then an object may look as if it were gone. Rules that the
// cache does not know yet would be asked for one by one.
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

package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/config"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/leader"
	"kube-aws-iam-controller/internal/logging"
	"kube-aws-iam-controller/internal/managedrole"
	"kube-aws-iam-controller/internal/uninstall"
)

// leaseTimeout is how long the controller may take to give up the Lease: ten seconds to
// end, or fifteen until the Lease of one that was killed expires, and the pauses between
// two attempts.
const leaseTimeout = 40 * time.Second

// errStillRuns is returned where the Lease cannot be had.
var errStillRuns = errors.New("the controller still runs, and would create again what is released: " +
	"scale its Deployment to zero, or name it as the second argument")

// uninstallController releases the managed roles and finalizers of all ServiceAccounts,
// as the leader, so that no controller creates them again meanwhile.
func uninstallController(ctx context.Context, version string, cfg config.Config, stdout, stderr io.Writer) error {
	logger, err := logging.New(stderr, cfg.LogFormat, cfg.Debug)
	if err != nil {
		return err
	}
	logging.RedirectKlog(logger, cfg.Debug)
	cfg.LeaderElect = true
	c, _, err := wire(ctx, version, cfg, logger)
	if err != nil {
		return err
	}
	defer c.events.Shutdown()
	if err = c.scaleToZero(ctx); err != nil {
		return err
	}
	summary, err := c.uninstall(ctx, stdout)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "managed roles: %d deleted, %d retained, %d failed\n", summary.Deleted, summary.Retained, summary.Failed)
	if summary.Failed > 0 {
		return fmt.Errorf("%d ServiceAccounts keep their finalizer and cannot be deleted: see above, and run this again", summary.Failed)
	}
	return nil
}

// scaleToZero stops the controller. The Deployment itself is left to whoever installed it.
func (c *controller) scaleToZero(ctx context.Context) error {
	if c.config.Deployment == "" {
		return nil
	}
	_, err := c.clients.Lease.AppsV1().Deployments(c.config.LeaderElectNamespace).Patch(ctx, c.config.Deployment, types.MergePatchType,
		[]byte(`{"spec":{"replicas":0}}`), metav1.PatchOptions{FieldManager: api.ControllerName}, "scale")
	if err != nil {
		return fmt.Errorf("scale the Deployment %s/%s to zero: %w", c.config.LeaderElectNamespace, c.config.Deployment, err)
	}
	return nil
}

// uninstall runs the Uninstaller while it holds the Lease.
func (c *controller) uninstall(ctx context.Context, stdout io.Writer) (summary uninstall.Summary, err error) {
	running, done := context.WithCancel(ctx)
	defer done()
	for _, s := range c.sources {
		go s.objects.RunWithContext(running)
		go s.secrets.RunWithContext(running)
	}
	waiting, leading := time.AfterFunc(leaseTimeout, done), false
	elected := leader.Run(running, c.election(), func(ctx, _ context.Context) {
		defer done()
		if leading = waiting.Stop(); leading {
			summary, err = c.release(ctx, stdout)
		}
	})
	if !leading && elected == nil {
		return summary, cmp.Or(context.Cause(ctx), errStillRuns)
	}
	return summary, errors.Join(elected, err)
}

// release runs the Uninstaller once ServiceAccounts and their Secrets are known.
func (c *controller) release(ctx context.Context, stdout io.Writer) (uninstall.Summary, error) {
	for _, s := range c.sources {
		if s.name == identity.ServiceAccount && !cache.WaitFor(ctx, string(s.name), s.objects.HasSyncedChecker(), s.secrets.HasSyncedChecker()) {
			return uninstall.Summary{}, context.Cause(ctx)
		}
	}
	printer := uninstall.NewPrinter(stdout)
	retain := c.config.ManagedRoles == config.RetainRoles
	c.roles.Events = printer
	if retain {
		c.roles.Finalizers = retaining{c.roles.Finalizers}
	}
	c.roles.Begin()
	u := uninstall.Uninstaller{Accounts: c.accounts, Roles: c.roles, Secrets: c.store, Retain: retain, Output: printer}
	return u.Run(ctx)
}

// retaining has every managed role retained.
type retaining struct{ managedrole.Finalizers }

// Finalizer implements managedrole.Finalizers.
func (r retaining) Finalizer(key identity.Key) (uid string, present, retain bool) {
	uid, present, _ = r.Finalizers.Finalizer(key)
	return uid, present, true
}

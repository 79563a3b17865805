package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"kube-aws-iam-controller/internal/config"
	"kube-aws-iam-controller/internal/iamprovision"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/leader"
	"kube-aws-iam-controller/internal/logging"
	"kube-aws-iam-controller/internal/uninstall"
)

// leaseTimeout is how long the controller may take to give up the Lease: ten seconds to
// end, or fifteen until the Lease of one that was killed expires, and the pauses between
// two attempts.
const leaseTimeout = 40 * time.Second

// uninstallController releases the managed roles and finalizers of all ServiceAccounts,
// as the leader, so that no controller creates them again meanwhile. What can be checked
// is checked before the controller is stopped; if anything fails, it is started again.
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
	running, done := context.WithCancel(ctx)
	defer done()
	iam := c.newProvisioner(c.assumer)
	if err = c.prepareUninstall(running, iam); err != nil {
		return err
	}
	restore, err := c.scaleToZero(running)
	if err == nil {
		err = c.uninstall(running, iam, stdout)
	}
	if err != nil {
		return errors.Join(err, restore(context.WithoutCancel(ctx)))
	}
	return nil
}

// prepareUninstall fills the caches of ServiceAccounts and of their Secrets, and asks AWS
// whose the credentials are.
func (c *controller) prepareUninstall(ctx context.Context, iam *iamprovision.Provisioner) error {
	if !c.fillCaches(ctx, identity.ServiceAccount) {
		return errors.New("ServiceAccounts and Secrets cannot be listed with the permissions of this command: see the log; nothing was changed")
	}
	for key := range c.accounts.Owners() {
		if _, err := iam.Reference(ctx, key); err != nil {
			return fmt.Errorf("managed roles cannot be released, and nothing was changed: %w", err)
		}
		break // one is enough to know whose the credentials are
	}
	return nil
}

// uninstall runs the Uninstaller while it holds the Lease.
func (c *controller) uninstall(ctx context.Context, iam uninstall.IAM, stdout io.Writer) (err error) {
	running, done := context.WithCancel(ctx)
	defer done()
	waiting, leading := time.AfterFunc(leaseTimeout, done), false
	elected := leader.Run(running, c.election(), func(ctx, _ context.Context) {
		defer done()
		if leading = waiting.Stop(); leading {
			err = c.release(ctx, iam, stdout)
		}
	})
	if !leading && elected == nil {
		return cmp.Or(context.Cause(ctx), c.whyNotElected(ctx))
	}
	return errors.Join(elected, err)
}

// release runs the Uninstaller, and prints what it did.
func (c *controller) release(ctx context.Context, iam uninstall.IAM, stdout io.Writer) error {
	u := uninstall.Uninstaller{
		Accounts: c.accounts, IAM: iam, Secrets: c.store, Retain: c.config.ManagedRoles == config.RetainRoles,
		Namespace: c.config.Namespace, ReadyTimeout: c.config.RoleReadyTimeout, Output: uninstall.NewPrinter(stdout),
	}
	summary, err := u.Run(ctx)
	fmt.Fprintf(stdout, "managed roles: %d deleted, %d retained, %d not found or not the controller's, %d failed, %d left\n",
		summary.Deleted, summary.Retained, summary.Absent, summary.Failed, summary.Left)
	if summary.Failed > 0 {
		err = errors.Join(fmt.Errorf("%d ServiceAccounts keep their finalizer and cannot be deleted: see above, and run this again", summary.Failed), err)
	}
	return err
}

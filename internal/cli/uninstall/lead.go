package uninstall

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/internal/leader"
)

// uninstall stops the controller and releases everything as the leader, so that no
// controller creates it again meanwhile. If anything fails, the controller is started again.
func (r *run) uninstall(ctx context.Context) error {
	if r.workload == nil {
		fmt.Fprintf(r.env.ErrOut, "warning: no controller was found; one that runs all the same, without the Lease %s, would not be noticed, and creates again what is released\n", r.leaseName())
		_, err := r.lead(ctx)
		return err
	}
	err, settled := r.workload.stop(ctx), false
	if err == nil {
		settled, err = r.lead(ctx)
	}
	if err != nil && !settled {
		err = errors.Join(err, r.startUnlessTaken(ctx))
	}
	return err
}

// lead releases everything while it holds the Lease. settled is whether the controller was
// started again if it has to be: only whoever holds the Lease knows that no other run is at
// work.
func (r *run) lead(ctx context.Context) (settled bool, err error) {
	running, done := context.WithCancel(ctx)
	defer done()
	waiting, leading := time.AfterFunc(stopTimeout, done), false
	elected := leader.Run(running, r.election(), func(ctx, _ context.Context) {
		defer done()
		if leading = waiting.Stop(); leading {
			err = r.settle(ctx)
		}
	})
	switch {
	case elected != nil:
		return false, errors.Join(elected, err)
	case !leading:
		return false, cmp.Or(context.Cause(ctx), r.whyNotElected(ctx))
	default:
		return true, err
	}
}

func (r *run) election() leader.Config {
	return leader.Config{
		Leases:    r.clients.Leases(r.config.LeaderElectNamespace),
		Namespace: r.config.LeaderElectNamespace,
		Name:      r.config.LeaderElectName,
		Serves:    r.config.Namespace,
		Host:      r.host,
		Fence:     r.fence,
		Changed:   func(bool) {},
		Logger:    r.logger,
	}
}

// settle releases everything, and removes the record of the controller's replicas, or
// starts the controller again. It does neither once the Lease is lost: then another run
// may have it.
func (r *run) settle(ctx context.Context) error {
	if r.workload == nil {
		return r.release(ctx)
	}
	err := r.workload.checkStopped(ctx)
	if err == nil {
		err = r.release(ctx)
	}
	if err == nil {
		err = r.workload.checkStopped(ctx)
	}
	switch {
	case r.fence.Check() != nil:
		return err
	case err != nil:
		return errors.Join(err, r.workload.start(ctx))
	default:
		return r.workload.record.remove(context.WithoutCancel(ctx))
	}
}

// release runs the Uninstaller, and prints what it did.
func (r *run) release(ctx context.Context) error {
	u := r.uninstaller()
	summary, err := u.Run(ctx)
	u.Output.Say(fmt.Sprintf("managed roles: %d deleted, %d retained, %d not found or not the controller's, %d failed, %d left",
		summary.Deleted, summary.Retained, summary.Absent, summary.Failed, summary.Left))
	if summary.Failed > 0 {
		err = errors.Join(fmt.Errorf("%d ServiceAccounts keep their finalizer and cannot be deleted: see above, and run this again", summary.Failed), err)
	}
	return err
}

func (r *run) uninstaller() *Uninstaller {
	return &Uninstaller{
		Accounts: r.sources.Accounts, IAM: r.iam, Secrets: r.sources.Store, Retain: r.managedRoles == retainRoles,
		Namespace: r.config.Namespace, ReadyTimeout: r.config.RoleReadyTimeout, Output: NewPrinter(r.env.Out),
	}
}

// startUnlessTaken starts the controller again, unless another run of this command holds
// the Lease: that one does so if it fails.
func (r *run) startUnlessTaken(ctx context.Context) error {
	brief, cancel := context.WithTimeout(context.WithoutCancel(ctx), restartTimeout)
	defer cancel()
	holder, err := r.holder(brief)
	if host := leader.HostOf(holder); err == nil && host != r.host && strings.HasPrefix(host, hostPrefix) {
		return nil
	}
	return r.workload.start(ctx)
}

// holder returns who holds the Lease, "" for nobody.
func (r *run) holder(ctx context.Context) (string, error) {
	lease, err := r.clients.Leases(r.config.LeaderElectNamespace).Get(ctx, r.config.LeaderElectName, metav1.GetOptions{})
	if err != nil || lease.Spec.HolderIdentity == nil {
		return "", err
	}
	return *lease.Spec.HolderIdentity, nil
}

// whyNotElected returns why the Lease was not acquired in time.
func (r *run) whyNotElected(ctx context.Context) error {
	holder, err := r.holder(ctx)
	without := "the Lease " + r.leaseName() + ", without which a controller may run meanwhile, cannot be had"
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", without, err)
	case holder == "":
		return errors.New(without + ": see the warnings")
	case strings.HasPrefix(holder, hostPrefix):
		return fmt.Errorf("another run of this command holds the Lease %s: wait until it has ended", r.leaseName())
	default:
		return fmt.Errorf("a controller still runs, and would create again what is released: %s holds the Lease %s. Stop it, or name its Deployment with --controller", holder, r.leaseName())
	}
}

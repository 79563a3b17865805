package rights

import (
	"context"
	"errors"
	"fmt"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/test/kit"
)

func (w *world) elects(ctx context.Context) error {
	return w.start(ctx, "--leader-elect", "--leader-elect-namespace="+w.own)
}

// leads waits until it does the work.
func (w *world) leads(ctx context.Context) error {
	return kit.Eventually(ctx, within, func(ctx context.Context) error {
		leads, err := w.running.Metric(ctx, "kube_aws_iam_controller_is_leader")
		if err == nil && leads != 1 {
			err = errors.New("it does not lead")
		}
		return err
	})
}

// takesOver puts somebody who is gone into office, and waits for the successor.
func (w *world) takesOver(ctx context.Context) error {
	w.stop(ctx)
	leases := w.Client().CoordinationV1().Leases(w.own)
	if err := leases.Delete(ctx, kit.Account, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	long := metav1.NewMicroTime(time.Now().Add(-time.Hour))
	_, err := leases.Create(ctx, &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: kit.Account},
		Spec: coordinationv1.LeaseSpec{
			HolderIdentity: new("gone"), LeaseDurationSeconds: new(int32(1)), AcquireTime: &long, RenewTime: &long,
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	if err = w.elects(ctx); err != nil {
		return err
	}
	return w.leads(ctx)
}

// stepsDown ends the leader, which steps down, so that nobody has to wait until the Lease runs out.
func (w *world) stepsDown(ctx context.Context) error {
	w.count(ctx)
	if _, err := w.running.Stop(ctx); err != nil {
		return err
	}
	lease, err := w.Client().CoordinationV1().Leases(w.own).Get(ctx, kit.Account, metav1.GetOptions{})
	if err == nil && *lease.Spec.HolderIdentity != "" {
		err = fmt.Errorf("%s still holds the Lease", *lease.Spec.HolderIdentity)
	}
	return err
}

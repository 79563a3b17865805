package uninstall

import (
	"context"
	"fmt"
	"strconv"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/leader"
)

// maxReplicas is the most that a record is believed: who may write the Lease need not be
// allowed to scale the Deployment.
const maxReplicas = 100

// A record keeps how many replicas the controller had, so that whoever comes after a run
// that was killed knows. It is an annotation of the Lease, which the controller's
// ServiceAccount may write anyway; to annotate the Deployment it would have to be allowed
// to change its pods.
type record struct {
	leases leader.Leases
	name   string
}

// keep records that there are replicas, and returns how many. If there are none, it
// returns what was recorded before, 0 for nothing.
func (r *record) keep(ctx context.Context, replicas int32) (int32, error) {
	if replicas == 0 {
		return r.read(ctx)
	}
	return replicas, r.edit(ctx, func(lease *coordinationv1.Lease) bool {
		metav1.SetMetaDataAnnotation(&lease.ObjectMeta, api.ReplicasAnnotation, strconv.Itoa(int(replicas)))
		return true
	})
}

func (r *record) read(ctx context.Context) (int32, error) {
	lease, err := r.leases.Get(ctx, r.name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read how many replicas the controller had: %w", err)
	}
	replicas, err := strconv.ParseInt(lease.Annotations[api.ReplicasAnnotation], 10, 32)
	if err != nil || replicas < 0 || replicas > maxReplicas {
		return 0, nil //nolint:nilerr // nothing is recorded that this command has written
	}
	return int32(replicas), nil
}

// remove removes the record.
func (r *record) remove(ctx context.Context) error {
	return r.edit(ctx, func(lease *coordinationv1.Lease) bool {
		_, has := lease.Annotations[api.ReplicasAnnotation]
		delete(lease.Annotations, api.ReplicasAnnotation)
		return has
	})
}

// edit changes the Lease, which whoever holds it changes too, and creates it if there is
// none. change reports whether there is anything to write.
func (r *record) edit(ctx context.Context, change func(*coordinationv1.Lease) bool) error {
	err := retry.OnError(retry.DefaultBackoff, again, func() error {
		lease, err := r.leases.Get(ctx, r.name, metav1.GetOptions{})
		missing := apierrors.IsNotFound(err)
		if missing {
			lease = &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: r.name}}
		} else if err != nil {
			return err
		}
		switch {
		case !change(lease):
			return nil
		case missing:
			_, err = r.leases.Create(ctx, lease, metav1.CreateOptions{FieldManager: api.ControllerName})
		default:
			_, err = r.leases.Update(ctx, lease, metav1.UpdateOptions{FieldManager: api.ControllerName})
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("record in the Lease how many replicas the controller has: %w", err)
	}
	return nil
}

func again(err error) bool { return apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) }

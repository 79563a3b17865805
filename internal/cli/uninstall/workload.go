package uninstall

import (
	"context"
	"errors"
	"fmt"
	"time"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	appsv1client "k8s.io/client-go/kubernetes/typed/apps/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"

	"kube-aws-iam-controller/internal/api"
)

// stopTimeout is how long the controller may take to end and to give up the Lease: ten
// seconds to end, or fifteen until the Lease of one that was killed expires, and the pauses
// between two attempts. Without leader election its pods may take thirty.
const stopTimeout = 40 * time.Second

// restartTimeout bounds starting the controller again once the command was interrupted.
const restartTimeout = 30 * time.Second

// A workload is the controller's Deployment. It is scaled to zero, and back if the command
// fails; whoever installed it deletes it.
type workload struct {
	deployments appsv1client.DeploymentInterface
	pods        corev1client.PodInterface
	// deployment is its name, and name that with its namespace.
	deployment, name string
	elects           bool
	record           *record
	// before is how many replicas there were.
	before int32
}

// stop scales to zero, and waits until the pods have ended. How many there were is recorded
// first, or taken from the record of a run that was killed.
func (w *workload) stop(ctx context.Context) error {
	scale, err := w.scale(ctx)
	if err != nil {
		return err
	}
	if w.before, err = w.record.keep(ctx, scale.Spec.Replicas); err != nil {
		return err
	}
	if err = w.setReplicas(ctx, 0); err != nil {
		return err
	}
	return w.awaitStopped(ctx)
}

// start undoes stop. It does so even if ctx is done.
func (w *workload) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), restartTimeout)
	defer cancel()
	scale, err := w.scale(ctx)
	if err == nil && scale.Spec.Replicas == 0 && w.before > 0 {
		err = w.setReplicas(ctx, w.before)
	}
	if err != nil {
		return fmt.Errorf("the controller may not be running, and was not started again: %w", err)
	}
	return w.record.remove(ctx)
}

// checkStopped returns an error if somebody has started the controller again.
func (w *workload) checkStopped(ctx context.Context) error {
	scale, err := w.scale(ctx)
	if err == nil && scale.Spec.Replicas > 0 {
		err = fmt.Errorf("somebody has scaled the Deployment %s to %d meanwhile, and the controller creates again what was released: "+
			"keep it at zero, and run this again", w.name, scale.Spec.Replicas)
	}
	return err
}

// awaitStopped waits until no process is left. Terminating pods do not count as replicas,
// but hold the Lease as long as they work.
func (w *workload) awaitStopped(ctx context.Context) error {
	last := errors.New("it is not known")
	err := wait.PollUntilContextTimeout(ctx, time.Second, stopTimeout, true, func(ctx context.Context) (bool, error) {
		var scale *autoscalingv1.Scale
		if scale, last = w.scale(ctx); last != nil {
			return false, nil //nolint:nilerr // it is read again
		}
		switch pods, err := w.left(ctx, scale); {
		case err != nil:
			last = err
		case pods > 0:
			last = fmt.Errorf("%d are left", pods)
		default:
			return true, nil
		}
		return false, nil
	})
	if err != nil {
		return fmt.Errorf("the pods of the Deployment %s have not ended in time: %w", w.name, last)
	}
	return nil
}

// left returns how many pods are left.
func (w *workload) left(ctx context.Context, scale *autoscalingv1.Scale) (int, error) {
	if w.elects || scale.Status.Replicas > 0 {
		return int(scale.Status.Replicas), nil
	}
	pods, err := w.pods.List(ctx, metav1.ListOptions{LabelSelector: scale.Status.Selector})
	if err != nil {
		return 0, fmt.Errorf("the controller runs without leader election, so its pods have to be seen to end: %w", err)
	}
	return len(pods.Items), nil
}

func (w *workload) scale(ctx context.Context) (*autoscalingv1.Scale, error) {
	scale, err := w.deployments.GetScale(ctx, w.deployment, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("read the scale of the Deployment %s: %w", w.name, err)
	}
	return scale, nil
}

func (w *workload) setReplicas(ctx context.Context, replicas int32) error {
	_, err := w.deployments.Patch(ctx, w.deployment, types.MergePatchType,
		fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, replicas), metav1.PatchOptions{FieldManager: api.ControllerName}, "scale")
	if err != nil {
		return fmt.Errorf("scale the Deployment %s to %d: %w", w.name, replicas, err)
	}
	return nil
}

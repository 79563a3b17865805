package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"

	"kube-aws-iam-controller/internal/api"
)

// scaleToZero stops the controller, and waits until its pods have ended. The Deployment
// itself is left to whoever installed it. restore scales it back.
func (c *controller) scaleToZero(ctx context.Context) (restore func(context.Context) error, err error) {
	nothing := func(context.Context) error { return nil }
	if c.config.Deployment == "" {
		return nothing, nil
	}
	namespace, name := c.config.LeaderElectNamespace, c.config.Deployment
	before, err := c.clients.Lease.AppsV1().Deployments(namespace).GetScale(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nothing, nil // it is gone already
	}
	if err != nil {
		return nothing, fmt.Errorf("read the scale of the Deployment %s/%s: %w", namespace, name, err)
	}
	restore = func(ctx context.Context) error { return c.scale(ctx, before.Spec.Replicas) }
	if err = c.scale(ctx, 0); err != nil {
		return nothing, err
	}
	err = wait.PollUntilContextTimeout(ctx, time.Second, leaseTimeout, true, func(ctx context.Context) (bool, error) {
		now, unread := c.clients.Lease.AppsV1().Deployments(namespace).GetScale(ctx, name, metav1.GetOptions{})
		return unread == nil && now.Status.Replicas == 0, nil // it is read again
	})
	if err != nil {
		err = fmt.Errorf("the Deployment %s/%s still has pods: %w", namespace, name, err)
	}
	return restore, err
}

func (c *controller) scale(ctx context.Context, replicas int32) error {
	namespace, name := c.config.LeaderElectNamespace, c.config.Deployment
	_, err := c.clients.Lease.AppsV1().Deployments(namespace).Patch(ctx, name, types.MergePatchType,
		fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, replicas), metav1.PatchOptions{FieldManager: api.ControllerName}, "scale")
	if err != nil {
		return fmt.Errorf("scale the Deployment %s/%s to %d: %w", namespace, name, replicas, err)
	}
	return nil
}

// whyNotElected returns why the Lease was not acquired in time.
func (c *controller) whyNotElected(ctx context.Context) error {
	namespace, name := c.config.LeaderElectNamespace, c.config.LeaderElectName
	lease, err := c.clients.Lease.CoordinationV1().Leases(namespace).Get(ctx, name, metav1.GetOptions{})
	switch {
	case err != nil:
		return fmt.Errorf("the Lease %s/%s, without which a controller may run meanwhile, cannot be had: %w", namespace, name, err)
	case lease.Spec.HolderIdentity == nil || *lease.Spec.HolderIdentity == "":
		return fmt.Errorf("the Lease %s/%s, without which a controller may run meanwhile, cannot be had: see the log", namespace, name)
	}
	return errors.New("the controller still runs, and would create again what is released: " + *lease.Spec.HolderIdentity + " holds the Lease " + namespace + "/" + name +
		". Scale its Deployment to zero, or name it as the second argument")
}

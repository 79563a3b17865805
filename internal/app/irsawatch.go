package app

import (
	"context"

	"github.com/go-kit/log/level"
	"k8s.io/apimachinery/pkg/util/wait"

	"kube-aws-iam-controller/internal/config"
)

// warnBesideEKS looks for a webhook of EKS that was installed after this process started,
// from when this replica leads. It is said, and nothing ends: pods that run with
// credentials of the controller would lose them.
func (c *controller) warnBesideEKS(ctx context.Context) {
	if c.config.IRSAAnnotations != config.ReadIRSA {
		return
	}
	defer c.metrics.SetBesideEKS(false) // only the leader says so
	wait.UntilWithContext(ctx, c.lookForEKSWebhook, eksWebhookInterval)
}

func (c *controller) lookForEKSWebhook(ctx context.Context) {
	found, err := c.findEKSWebhook(ctx)
	if err != nil {
		return // nothing new is known, and the start has said what is missing
	}
	c.metrics.SetBesideEKS(found != "")
	if found != "" {
		level.Warn(c.logger).Log("msg", "credentials are still issued so that running pods keep access, but new pods also get credentials from EKS",
			"err", &besideEKSError{found})
	}
}

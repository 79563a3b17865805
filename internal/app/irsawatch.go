package app

import (
	"context"
	"time"

	"github.com/go-kit/log/level"

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
	for {
		found, err := c.findEKSWebhook(ctx)
		if err == nil { // otherwise nothing new is known, and the start has said what is missing
			c.metrics.SetBesideEKS(found != "")
		}
		if found != "" {
			level.Warn(c.logger).Log("msg", "credentials are issued nevertheless, to keep what runs: new pods are given those of EKS, too",
				"err", &besideEKSError{found})
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(eksWebhookInterval):
		}
	}
}

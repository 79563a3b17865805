package broker

import (
	"context"
	"time"

	"github.com/go-kit/log/level"

	"kube-aws-iam-controller/internal/identity"
)

// relabel gives the Secret of an AWSIAMRole the labels of its resource, even if the
// request cannot be served. It returns how long to wait if the labels are changed in a
// loop.
func (b *Broker) relabel(ctx context.Context, asked *identity.Desired) (time.Duration, error) {
	if asked == nil || asked.Source != identity.AWSIAMRole || !b.Secrets.LabelsDiffer(*asked) {
		return 0, nil
	}
	if wait := b.limits.writes.Take(asked.Key, time.Now()); wait > 0 {
		return wait, nil
	}
	if err := b.Secrets.Relabel(ctx, *asked); err != nil {
		b.Status.RecordFailure(*asked, b.Secrets.Observe(asked.Key), err)
		return 0, err
	}
	b.limits.writes.Served(asked.Key, time.Now())
	level.Info(b.Logger).Log("msg", "labels written", "object", asked.Key)
	return 0, nil
}

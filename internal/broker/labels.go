package broker

import (
	"context"
	"time"

	"github.com/go-kit/log/level"

	"kube-aws-iam-controller/internal/identity"
)

// relabel gives the Secret of an AWSIAMRole the labels of its resource, and returns how
// long to wait where those are changed in a loop.
func (b *Broker) relabel(ctx context.Context, key identity.Key) (time.Duration, error) {
	if key.Source != identity.AWSIAMRole {
		return 0, nil
	}
	want, _ := b.Sources[key.Source].Desired(ctx, key) // what is wrong with it was reported
	if want == nil || !b.Secrets.LabelsDiffer(*want) {
		return 0, nil
	}
	if wait := b.limits.writes.Take(key, time.Now()); wait > 0 {
		return wait, nil
	}
	if err := b.Secrets.Relabel(ctx, *want); err != nil {
		b.Status.RecordFailure(*want, b.Secrets.Observe(key), err)
		return 0, err
	}
	b.limits.writes.Served(key, time.Now())
	level.Info(b.Logger).Log("msg", "labels written", "object", key)
	return 0, nil
}

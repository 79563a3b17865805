package broker

import (
	"context"
	"time"

	"github.com/go-kit/log/level"

	"kube-aws-iam-controller/internal/identity"
)

// relabel gives the Secret of an AWSIAMRole the labels of its resource, and
// returns how long to wait where those are changed in a loop. The budget is not
// the one of renewals, which may not wait for labels.
func (b *Broker) relabel(ctx context.Context, key identity.Key) (time.Duration, error) {
	if key.Source != identity.AWSIAMRole {
		return 0, nil
	}
	want, _ := b.Sources[key.Source].Desired(key) // what is wrong with it was said
	if want == nil || !b.Secrets.LabelsDiffer(*want) {
		return 0, nil
	}
	if wait := b.relabels.spend(key, time.Now()); wait > 0 {
		return wait, nil
	}
	if err := b.Secrets.Relabel(ctx, *want); err != nil {
		b.complain(ctx, *want, b.Secrets.Observe(key), reasonOf(err), err)
		return 0, err
	}
	b.relabels.served(key, time.Now())
	level.Info(b.Logger).Log("msg", "labels written", "object", key)
	return 0, nil
}

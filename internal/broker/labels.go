package broker

import (
	"context"
	"errors"
	"time"

	"github.com/go-kit/log/level"

	"kube-aws-iam-controller/internal/identity"
)

// Sync makes the Secret of one identity be as it should, and returns when to
// look at it again. What is wrong is reported on the object; an error means
// that it is worth another try before that. Labels come last: a renewal writes
// them, too.
func (b *Broker) Sync(ctx context.Context, key identity.Key) (time.Duration, error) {
	again, err := b.syncCredentials(ctx, key)
	if key.Source != identity.AWSIAMRole {
		return again, err
	}
	wait, failed := b.relabel(ctx, key)
	if wait > 0 && (again == 0 || wait < again) {
		again = wait
	}
	if failed != nil {
		err = errors.Join(err, failed)
	}
	return again, err
}

// relabel gives the Secret of an AWSIAMRole the labels of its resource, and
// returns how long to wait where those are changed in a loop. The budget is not
// the one of renewals, which may not wait for labels.
func (b *Broker) relabel(ctx context.Context, key identity.Key) (time.Duration, error) {
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

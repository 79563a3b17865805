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
	want, _ := b.Sources[key.Source].Desired(key) // what is wrong with it was reported
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

// A Warner is a Source that knows what the authors of its objects should be told
// besides what becomes of the objects.
type Warner interface {
	// Warning returns, from a cache, what to record, with an empty Message for nothing.
	Warning(key identity.Key) identity.Warning
}

// warn records what an author should know, and returns when to come back for it.
func (b *Broker) warn(key identity.Key) time.Duration {
	warner, is := b.Sources[key.Source].(Warner)
	if !is {
		return 0
	}
	warning := warner.Warning(key)
	if warning.Message != "" && !warning.Asks && (b.Roles.MayExist(key) || b.Secrets.Observe(key).Exists) {
		return 0 // what it had is being removed, and what the controller wrote on it with that
	}
	return b.Status.RecordWarning(key, warning)
}

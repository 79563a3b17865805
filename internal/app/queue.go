package app

import (
	"context"
	"errors"

	"kube-aws-iam-controller/internal/broker"
	"kube-aws-iam-controller/internal/config"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/queue"
)

// queueOf returns how the identities of a broker queue.
func queueOf(b *broker.Broker, iamWorkers int) queue.Config[identity.Key] {
	return queue.Config[identity.Key]{
		Name: "identities", Grace: grace,
		Deadline: b.Deadline, Urgent: urgent, Tenant: func(k identity.Key) string { return k.Namespace },
		SlowWorkers: iamWorkers,
		Timeout:     longest,
	}
}

// iamWorkers returns how many identities wait for IAM at once, besides those that
// do not: as many as it answers in half a second, more would only stand in line. At
// most so many that three quarters, which one namespace may have, are --workers.
func iamWorkers(cfg config.Config) int {
	return max(1, min(cfg.Workers*4/3, int(cfg.IAMQPS/2)))
}

// syncWith returns the broker's sync as the queue calls it: a sync that has to wait
// for IAM is for the slow workers.
func syncWith(b *broker.Broker) queue.SyncFunc[identity.Key] {
	return func(ctx context.Context, key identity.Key, slow bool) (queue.Result, error) {
		if slow {
			after, err := b.Sync(ctx, key)
			return queue.Result{After: after}, err
		}
		after, err := b.SyncQuickly(ctx, key)
		if errors.Is(err, broker.ErrSlow) {
			return queue.Result{After: after, NeedsSlow: true}, nil
		}
		return queue.Result{After: after}, err
	}
}

package app

import (
	"context"

	"kube-aws-iam-controller/internal/broker"
	"kube-aws-iam-controller/internal/config"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/queue"
)

// queueOf returns the configuration of the queue of a broker's identities.
func queueOf(b *broker.Broker, slowWorkers int) queue.Config[identity.Key] {
	return queue.Config[identity.Key]{
		Name: "identities", Grace: grace,
		Deadline: b.Deadline, Urgent: urgent, Tenant: func(k identity.Key) string { return k.Namespace },
		SlowWorkers: slowWorkers,
		Timeout:     syncTimeout,
	}
}

// iamWorkers returns how many slow workers sync the identities that somebody waits for:
// as many as IAM answers requests in half a second, because more would only wait for each
// other. Three quarters of them, which one namespace may use, are no more than --workers.
func iamWorkers(cfg config.Config) int {
	return max(1, min(cfg.Workers*4/3, int(cfg.IAMQPS/2)))
}

// inspections returns how many slow workers at most inspect roles for drift at the same
// time. If IAM takes a second for an inspection, they still make use of its share.
func inspections(iamWorkers int) int { return (iamWorkers + 2) / 3 }

// slowWorkers returns the number of slow workers: so many more than iamWorkers that
// inspections leave those to others, also of the three quarters of one namespace.
func slowWorkers(iamWorkers int) int { return iamWorkers + (4*inspections(iamWorkers)+2)/3 }

// syncWith returns a broker's sync for the queue: syncs that need IAM are left to the
// slow workers.
func syncWith(b *broker.Broker) queue.SyncFunc[identity.Key] {
	return func(ctx context.Context, key identity.Key, slow bool) (queue.Result[identity.Key], error) {
		out, err := b.Sync(ctx, key, slow)
		return queue.Result[identity.Key]{After: out.After, NeedsSlow: out.NeedsIAM, Others: out.Others}, err
	}
}

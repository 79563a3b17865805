package app

import (
	"kube-aws-iam-controller/internal/broker"
	"kube-aws-iam-controller/internal/config"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/queue"
)

// queueOf returns how the identities of a broker queue.
func queueOf(b *broker.Broker, iamWorkers int) queue.Config[identity.Key] {
	return queue.Config[identity.Key]{
		Name: "identities", Grace: grace,
		Deadline: b.Deadline, Urgent: urgent, Flow: func(k identity.Key) string { return k.Namespace },
		Slow:  queue.Slow[identity.Key]{Left: broker.ErrSlow, Sync: b.Sync, Workers: iamWorkers},
		Limit: longest,
	}
}

// iamWorkers returns how many identities wait for IAM at once, besides those that
// do not: as many as it answers in half a second, more would only stand in line. At
// most so many that three quarters, which one namespace may have, are --workers.
func iamWorkers(cfg config.Config) int {
	return max(1, min(cfg.Workers*4/3, int(cfg.IAMQPS/2)))
}

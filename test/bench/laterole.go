package main

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"kube-aws-iam-controller/internal/awssim"
)

// late measures when pods are Ready whose managed role, made with them, can be assumed only after a while, as in AWS.
func (n *nodeBench) late(ctx context.Context, size sizes, r *report) error {
	defer n.propagate(0)
	for _, late := range size.late {
		n.propagate(late)
		var ready, secret []time.Duration
		for i := range size.lateRounds {
			n.bench.say("pods on a node: a new managed role that can be assumed after %s", late)
			name := fmt.Sprintf("late-%d-%d", late.Milliseconds(), i)
			got, err := n.lateOne(ctx, name)
			if err != nil {
				return err
			}
			ready, secret = append(ready, got.ready), append(secret, got.secret)
		}
		r.detail("A new managed role that can be assumed after %s, created with its pod: the Secret is there after %.1f s, the pod is Ready after %.1f s (medians of %d).",
			late, percentile(secret, 50).Seconds(), percentile(ready, 50).Seconds(), size.lateRounds)
	}
	return nil
}

func (n *nodeBench) propagate(late time.Duration) {
	n.bench.aws.Set(awssim.Settings{Propagation: new(awssim.Duration(late))})
}

// lateOne is one pod with a new managed role.
type lateOne struct{ secret, ready time.Duration }

func (n *nodeBench) lateOne(ctx context.Context, name string) (found lateOne, err error) {
	secrets, err := n.Client().CoreV1().Secrets(readyNamespace).Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + name + ".aws-iam"})
	if err != nil {
		return found, err
	}
	defer secrets.Stop()
	begin := time.Now()
	_, err = n.Client().CoreV1().ServiceAccounts(readyNamespace).Create(ctx, &corev1.ServiceAccount{
		ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{"iam.amazonaws.com/role-policy": rolePolicy}},
	}, metav1.CreateOptions{})
	if err != nil {
		return found, err
	}
	there := make(chan time.Duration, 1)
	go func() {
		<-secrets.ResultChan()
		there <- time.Since(begin)
	}()
	if found.ready, err = n.timed(ctx, nodePod(name, name), true); err != nil {
		return found, err
	}
	found.secret = <-there
	return found, nil
}

package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/tools/cache"

	system "kube-aws-iam-controller/test/kit"
)

// A holding is what a Secret says of the credentials in it.
type holding struct {
	role          string
	expires, seen time.Time // seen is when these credentials came
}

// A ledger knows what credentials each identity has, from a watch of the Secrets' metadata, and whose expired.
type ledger struct {
	mu       sync.Mutex
	holdings map[string]holding // by namespace/name of the Secret
	late     int                // renewals that came when the credentials before had expired
}

// keepLedger keeps a ledger of all credentials Secrets until ctx is done.
func (b *bench) keepLedger(ctx context.Context) (*ledger, error) {
	client, err := metadata.NewForConfig(b.AdminConfig())
	if err != nil {
		return nil, err
	}
	l := &ledger{holdings: map[string]holding{}}
	informer := metadatainformer.NewFilteredMetadataInformer(client, corev1.SchemeGroupVersion.WithResource("secrets"), metav1.NamespaceAll, 0,
		cache.Indexers{}, func(o *metav1.ListOptions) { o.LabelSelector = "iam.amazonaws.com/source=serviceaccount" }).Informer()
	if _, err = informer.AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: l.enter, UpdateFunc: func(_, secret any) { l.enter(secret) }}); err != nil {
		return nil, err
	}
	go informer.RunWithContext(ctx)
	if !cache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
		return nil, fmt.Errorf("watch the Secrets: %w", context.Cause(ctx))
	}
	return l, nil
}

// enter notes the credentials that a Secret has now.
func (l *ledger) enter(object any) {
	secret, err := meta.Accessor(object)
	if err != nil {
		return
	}
	annotations := secret.GetAnnotations()
	expires, err := time.Parse(time.RFC3339, annotations["iam.amazonaws.com/expiration"])
	if err != nil {
		return
	}
	key, has := secret.GetNamespace()+"/"+secret.GetName(), holding{annotations["iam.amazonaws.com/role-arn"], expires, time.Now()}
	l.mu.Lock()
	defer l.mu.Unlock()
	had, known := l.holdings[key]
	if known && had.expires.Equal(has.expires) && had.role == has.role {
		return
	}
	if known && has.seen.After(had.expires) {
		l.late++
	}
	l.holdings[key] = has
}

// until waits until n holdings are as they should be.
func (l *ledger) until(ctx context.Context, n int, is func(holding) bool) error {
	return system.Eventually(ctx, time.Hour, func(context.Context) error {
		if have := l.count(is); have < n {
			return fmt.Errorf("%d of %d Secrets", have, n)
		}
		return nil
	})
}

func (l *ledger) count(is func(holding) bool) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, h := range l.holdings {
		if is(h) {
			n++
		}
	}
	return n
}

// expired counts the identities whose credentials have expired, and the renewals that came too late.
func (l *ledger) expired() int {
	now := time.Now()
	n := l.count(func(h holding) bool { return now.After(h.expires) })
	l.mu.Lock()
	defer l.mu.Unlock()
	return n + l.late
}

// shortest is how long the credentials last that end first.
func (l *ledger) shortest(now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	least := time.Duration(1<<63 - 1)
	for _, h := range l.holdings {
		least = min(least, h.expires.Sub(now))
	}
	return least
}

package main

import (
	"context"
	"iter"
	"sync"

	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/kube"
	"kube-aws-iam-controller/internal/namespaces"
	"kube-aws-iam-controller/internal/report"
)

// rules are those of namespaces, and the namespaces whose identities have to be
// looked at again because theirs changed. A change of many at once, as at the
// start, is one pass over the identities.
type rules struct {
	*namespaces.Source

	informer *kube.Informer
	reporter *report.Reporter
	// keys yield the identities of each source.
	keys []func() iter.Seq[identity.Key]

	mu      sync.Mutex
	changed map[string]bool
	wake    chan struct{}
}

// watch has the identities of namespaces whose rules change looked at again,
// until ctx is done.
func (r *rules) watch(ctx context.Context, again func(identity.Key)) error {
	err := r.Watch(func(n namespaces.Namespace) {
		if n.Malformed != "" {
			r.reporter.WarnNamespace(n.Name, n.UID, identity.InvalidAnnotation, n.Malformed)
		}
		r.note(n.Name)
	})
	if err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-r.wake:
		}
		changed := r.take()
		for _, list := range r.keys {
			for key := range list() {
				if changed[key.Namespace] {
					again(key)
				}
			}
		}
	}
}

func (r *rules) note(namespace string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.changed[namespace] = true
	select {
	case r.wake <- struct{}{}:
	default: // it is to wake already
	}
}

func (r *rules) take() map[string]bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	changed := r.changed
	r.changed = map[string]bool{}
	return changed
}

// ready returns nil once it is known what namespaces may use. Where namespaces
// are not shown, each is asked about when it matters.
func (r *rules) ready() error {
	if r.informer.Refused() {
		return nil
	}
	return r.informer.Ready()
}

package app

import (
	"context"
	"errors"
	"iter"
	"sync"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/events"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/kube"
	"kube-aws-iam-controller/internal/namespaces"
)

// rules are those of namespaces, and the namespaces whose identities have to be
// looked at again because theirs changed. A change of many at once, as at the
// start, is one pass over the identities.
type rules struct {
	*namespaces.Source

	// runsOn says whether the controller may be running on a role that an object
	// of a namespace has.
	runsOn   func(ctx context.Context, namespace string, role identity.RoleReference) (bool, error)
	informer *kube.Informer
	reporter *events.Reporter
	// keys yield the identities of each source.
	keys []func() iter.Seq[identity.Key]

	mu      sync.Mutex
	changed map[string]bool
	wake    chan struct{}
}

// Permit returns what the namespace's rules say, but for what the controller itself
// runs on: that may neither be removed nor run out, and no rule keeps whoever is in
// its namespace from it.
func (r *rules) Permit(ctx context.Context, key identity.Key, asked func(context.Context) (identity.RoleReference, error)) error {
	refusal := r.Source.Permit(ctx, key, asked)
	if _, is := errors.AsType[*identity.InvalidError](refusal); !is {
		return refusal
	}
	role, err := asked(ctx)
	if err != nil {
		return err
	}
	switch own, err := r.runsOn(ctx, key.Namespace, role); {
	case err != nil:
		return err
	case own:
		return nil
	}
	return refusal
}

// watch has the identities of namespaces whose rules change looked at again,
// until ctx is done.
func (r *rules) watch(ctx context.Context, again func(identity.Key)) error {
	err := r.Watch(func(n namespaces.Namespace) {
		if n.Malformed != "" {
			r.reporter.WarnNamespace(n.Name, n.UID, api.InvalidAnnotation, n.Malformed)
		}
		if n.Unknown != "" {
			r.reporter.WarnNamespace(n.Name, n.UID, api.UnknownAnnotation, n.Unknown)
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

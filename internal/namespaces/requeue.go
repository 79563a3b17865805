package namespaces

import (
	"context"
	"iter"
	"sync"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// A Warner records a warning event on a Namespace.
type Warner interface {
	WarnNamespace(name, uid, reason, message string)
}

// Requeue adds the identities of namespaces whose rules change, and warns of
// annotations that are invalid or unknown. It returns when ctx is done. keys yield the
// identities of each source.
func (s *Source) Requeue(ctx context.Context, warner Warner, keys []func() iter.Seq[identity.Key], add func(identity.Key)) error {
	changes := newChangedNamespaces()
	err := s.Watch(func(n Namespace) {
		if n.Malformed != "" {
			warner.WarnNamespace(n.Name, n.UID, api.InvalidAnnotation, n.Malformed)
		}
		if n.Unknown != "" {
			warner.WarnNamespace(n.Name, n.UID, api.UnknownAnnotation, n.Unknown)
		}
		changes.add(n.Name)
	})
	if err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-changes.wake:
		}
		changed := changes.take()
		for _, list := range keys {
			for key := range list() {
				if changed[key.Namespace] {
					add(key)
				}
			}
		}
	}
}

// changedNamespaces collects namespaces, so that many changes at once, as at startup,
// are one pass over the identities.
type changedNamespaces struct {
	wake chan struct{}

	mu    sync.Mutex
	names map[string]bool
}

func newChangedNamespaces() *changedNamespaces {
	return &changedNamespaces{wake: make(chan struct{}, 1), names: map[string]bool{}}
}

func (c *changedNamespaces) add(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.names[name] = true
	select {
	case c.wake <- struct{}{}:
	default: // already signaled
	}
}

func (c *changedNamespaces) take() map[string]bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	names := c.names
	c.names = map[string]bool{}
	return names
}

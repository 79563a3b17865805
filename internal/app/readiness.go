package app

import (
	"errors"
	"iter"
	"time"

	"kube-aws-iam-controller/internal/broker"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/telemetry"
)

// readiness returns the checks of the readiness probe.
func (c *controller) readiness() []telemetry.Check {
	checks := []telemetry.Check{{Name: "sources", Test: c.anySourceReady}, {Name: "namespaces", Test: c.rules.ready}}
	if c.webhook != nil {
		checks = append(checks, telemetry.Check{Name: "webhook", Test: c.webhook.ready})
	}
	for _, s := range c.sources {
		checks = append(checks, telemetry.Check{Name: string(s.name), Test: s.ready})
	}
	return checks
}

// ready returns nil once both caches of a source are filled. A source whose objects the
// controller may not list, or that are not installed, is not served.
func (s *source) ready() error {
	if s.objects.Refused() {
		return nil
	}
	return errors.Join(s.objects.Ready(), s.secrets.Ready())
}

// anySourceReady returns an error unless at least one source is served.
func (c *controller) anySourceReady() error {
	for _, s := range c.sources {
		if s.objects.Ready() == nil && s.secrets.Ready() == nil {
			return nil
		}
	}
	return errors.New("neither ServiceAccounts nor AWSIAMRoles are served")
}

// releasing is the state, in metrics, of what requests nothing any more and still has
// its managed role. To the broker that is no identity.
const releasing = "releasing"

// observed yields all identities as the metrics export them, and those whose role is
// being released.
func observed(b *broker.Broker, keys []func() iter.Seq[identity.Key], released func() iter.Seq[identity.Key]) func() iter.Seq[telemetry.Identity] {
	return func() iter.Seq[telemetry.Identity] {
		return func(yield func(telemetry.Identity) bool) {
			for key := range released() {
				if !yield(telemetry.Identity{Source: string(key.Source), Namespace: key.Namespace, Name: key.Name, State: releasing}) {
					return
				}
			}
			now := time.Now()
			for _, list := range keys {
				for key := range list() {
					state, reason, expiration := b.State(key, now)
					if !yield(telemetry.Identity{
						Source: string(key.Source), Namespace: key.Namespace, Name: key.Name,
						State: state, Ready: state == broker.Ready, Reason: reason, Expiration: expiration,
					}) {
						return
					}
				}
			}
		}
	}
}

package app

import (
	"errors"

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

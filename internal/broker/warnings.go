package broker

import (
	"time"

	"kube-aws-iam-controller/internal/identity"
)

// A Warner is a Source that has warnings for the authors of its objects, apart from the
// state of the objects.
type Warner interface {
	// Warning returns, from a cache, what to record; its Message is empty for nothing.
	Warning(key identity.Key) identity.Warning
}

// warn records a warning for the author, and returns when to come back for it.
func (b *Broker) warn(key identity.Key) time.Duration {
	warner, is := b.Sources[key.Source].(Warner)
	if !is {
		return 0
	}
	warning := warner.Warning(key)
	if warning.Message != "" && !warning.Asks && (b.Roles.MayExist(key) || b.Secrets.Observe(key).Exists) {
		return 0 // what it had is being removed, and what the controller wrote on it with that
	}
	return b.Status.RecordWarning(key, warning)
}

package broker

import (
	"context"
	"time"

	"github.com/go-kit/log/level"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// A Skipper is a Source whose objects the admission policy can skip by mistake.
type Skipper interface {
	// Skipped reports, from a cache, whether admission skips the pods of an object that
	// requests an identity. It also returns the object's UID.
	Skipped(key identity.Key) (uid string, is bool)
	// Unskip removes the label that makes admission skip the object.
	Unskip(ctx context.Context, key identity.Key, uid string) error
}

const wasSkipped = "this ServiceAccount asks for a role but had the label iam.amazonaws.com/requests=none, so the admission policy " +
	"skipped its pods. It was annotated or labeled while the policy was not in force. The label has been removed. " +
	"Recreate pods that lack the volume aws-iam-credentials"

// unskip makes admission consider an object, whatever is wrong with its credentials. It
// returns how long to wait if the object is labeled in a loop.
func (b *Broker) unskip(ctx context.Context, key identity.Key) (time.Duration, error) {
	source, is := b.Sources[key.Source].(Skipper)
	if !is {
		return 0, nil
	}
	uid, is := source.Skipped(key)
	if !is {
		return 0, nil
	}
	if wait := b.limits.writes.Take(key, time.Now()); wait > 0 {
		return wait, nil
	}
	if err := source.Unskip(ctx, key, uid); err != nil {
		return 0, err
	}
	b.limits.writes.Served(key, time.Now())
	level.Warn(b.Logger).Log("msg", "admission skipped the pods of a ServiceAccount that asks for a role", "object", key)
	b.Status.Warn(identity.Desired{Key: key, UID: uid}, false, api.AdmissionSkipped, wasSkipped)
	return 0, nil
}

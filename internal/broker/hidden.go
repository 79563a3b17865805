package broker

import (
	"context"
	"time"

	"github.com/go-kit/log/level"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// A Shower is a Source of which admission can pass over objects, by mistake.
type Shower interface {
	// Hidden says, from a cache, whether admission passes over the pods of an
	// object that asks for an identity, and returns the object's UID.
	Hidden(key identity.Key) (uid string, is bool)
	// Show makes admission see the object.
	Show(ctx context.Context, key identity.Key, uid string) error
}

const wasHidden = "the label iam.amazonaws.com/requests=none was on this ServiceAccount, although it asks for a role, so the admission policy " +
	"gave its pods no credentials: it was annotated or labelled while that policy was not in force. The label was taken off. " +
	"Pods that were created meanwhile and have no volume aws-iam-credentials have to be created anew"

// show makes admission see an object, whatever is wrong with its credentials, and
// returns how long to wait where it is hidden in a loop.
func (b *Broker) show(ctx context.Context, key identity.Key) (time.Duration, error) {
	source, is := b.Sources[key.Source].(Shower)
	if !is {
		return 0, nil
	}
	uid, is := source.Hidden(key)
	if !is {
		return 0, nil
	}
	if wait := b.relabels.spend(key, time.Now()); wait > 0 {
		return wait, nil
	}
	if err := source.Show(ctx, key, uid); err != nil {
		return 0, err
	}
	b.relabels.served(key, time.Now())
	level.Warn(b.Logger).Log("msg", "admission passed over the pods of a ServiceAccount that asks for a role", "object", key)
	b.Reporter.Warn(ctx, identity.Desired{Key: key, UID: uid}, false, api.AdmissionSkipped, wasHidden)
	return 0, nil
}

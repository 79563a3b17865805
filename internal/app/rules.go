package app

import (
	"context"
	"errors"
	"iter"

	"kube-aws-iam-controller/internal/events"
	"kube-aws-iam-controller/internal/iamprovision"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/kube"
	"kube-aws-iam-controller/internal/namespaces"
	"kube-aws-iam-controller/internal/sts"
)

// rules are the rules of namespaces, with an exception for the role that the
// controller itself runs on.
type rules struct {
	*namespaces.Source

	// runsOn says whether the controller may be running on a role that an object of a
	// namespace has.
	runsOn   func(ctx context.Context, namespace string, role identity.RoleReference) (bool, error)
	informer *kube.Informer
	reporter *events.Reporter
	// keys yield the identities of each source.
	keys []func() iter.Seq[identity.Key]
}

// Permit returns what the namespace's rules say, except about the role that the
// controller runs on: it must neither be removed nor expire, and no rule could keep
// anybody in the controller's namespace from it.
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

// requeue adds the identities of namespaces whose rules change, until ctx is done.
func (r *rules) requeue(ctx context.Context, add func(identity.Key)) error {
	return r.Requeue(ctx, r.reporter, r.keys, add)
}

// ready returns nil once the rules are known. If the controller may not list
// Namespaces, each is read when it matters.
func (r *rules) ready() error {
	if r.informer.Refused() {
		return nil
	}
	return r.informer.Ready()
}

// openRules makes the rules of which roles namespaces may use.
func (c *controller) openRules(
	sessions *sts.Assumer, iam *iamprovision.Provisioner, reporter *events.Reporter, keys []func() iter.Seq[identity.Key],
) error {
	informer, err := c.clients.NamespaceInformer(c.config.Namespace, namespaces.Transform)
	if err != nil {
		return err
	}
	c.rules = &rules{
		Source: namespaces.NewSource(c.clients.Metadata, informer, namespaces.Config{
			Restrict: c.config.NamespaceRestrictions, Base: sessions.Base, Managed: iam.Reference,
		}),
		runsOn: sessions.MayRunOn, informer: informer, reporter: reporter, keys: keys,
	}
	return nil
}

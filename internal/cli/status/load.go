package status

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
)

// objects are the objects of each kind that could be listed, by the kind's name.
type objects map[string][]runtime.Object

// unseen are the kinds that could not be listed, and why.
type unseen map[string]error

// load lists all kinds, at the most recent resource version: whoever has just annotated a
// ServiceAccount asks next what became of it. An error is one that leaves nothing to show;
// what the user may not list is in unseen instead.
func load(ctx context.Context, all []kind) (objects, unseen, error) {
	lists, errs := make([][]runtime.Object, len(all)), make([]error, len(all))
	var group errgroup.Group
	for i, k := range all {
		group.Go(func() error {
			lists[i], errs[i] = k.objects(ctx)
			return nil
		})
	}
	_ = group.Wait() // errors are judged by kind
	found, hidden := objects{}, unseen{}
	for i, k := range all {
		switch err := errs[i]; {
		case err == nil:
			found[k.name] = lists[i]
		case k.optional && apierrors.IsNotFound(err):
			found[k.name] = nil
		case apierrors.IsForbidden(err):
			hidden[k.name] = err
		default:
			return nil, nil, fmt.Errorf("list %s: %w", k.name, err)
		}
	}
	if hidden[accountsKind] != nil && hidden[rolesKind] != nil {
		return nil, nil, fmt.Errorf("neither %s nor %s may be listed: %w", accountsKind, rolesKind, hidden[accountsKind])
	}
	return found, hidden, nil
}

func (k kind) objects(ctx context.Context) ([]runtime.Object, error) {
	list, err := k.list(ctx, k.options)
	if err != nil {
		return nil, err
	}
	return meta.ExtractList(list)
}

package serviceaccount

import (
	"fmt"
	"slices"

	"k8s.io/client-go/tools/cache"

	"kube-aws-iam-controller/internal/identity"
)

// Watch calls changed for every ServiceAccount that requests an identity, and again
// whenever one changes or is deleted.
func (s *Source) Watch(changed func(identity.Key)) error {
	handle := func(obj any) {
		if !isRelevant(obj) {
			return
		}
		if name, err := cache.DeletionHandlingObjectToName(obj); err == nil {
			changed(identity.Key{Source: identity.ServiceAccount, Namespace: name.Namespace, Name: name.Name})
		}
	}
	_, err := s.informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: handle,
		UpdateFunc: func(old, cur any) {
			if unchanged(old, cur) {
				return
			}
			if isRelevant(cur) {
				handle(cur)
			} else {
				handle(old) // its request was removed
			}
		},
		DeleteFunc: handle,
	})
	if err != nil {
		return fmt.Errorf("watch ServiceAccounts: %w", err)
	}
	return nil
}

// unchanged reports whether everything that is read is the same, so that unrelated
// writes to a ServiceAccount cause no work.
func unchanged(old, cur any) bool {
	a, ok1 := old.(*account)
	b, ok2 := cur.(*account)
	return ok1 && ok2 && a.uid == b.uid && a.hasFinalizer == b.hasFinalizer && a.deleting == b.deleting && a.skipped == b.skipped &&
		slices.Equal(a.annotations, b.annotations) && slices.Equal(a.unknown, b.unknown)
}

// isRelevant reports whether a cached object requests something, or may have done
// so before its deletion was missed.
func isRelevant(obj any) bool {
	switch o := obj.(type) {
	case *account:
		return true
	case cache.DeletedFinalStateUnknown:
		return o.Obj == nil || isRelevant(o.Obj)
	default:
		return false
	}
}

package serviceaccount

import (
	"fmt"
	"slices"

	"k8s.io/client-go/tools/cache"

	"kube-aws-iam-controller/internal/identity"
)

// Watch calls changed for every ServiceAccount that asks for something, and
// again whenever one changes or goes away.
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
				handle(old) // it may have asked for something before
			}
		},
		DeleteFunc: handle,
	})
	if err != nil {
		return fmt.Errorf("watch ServiceAccounts: %w", err)
	}
	return nil
}

// unchanged says whether nothing that is read differs. What else somebody writes
// to a ServiceAccount costs nothing.
func unchanged(old, cur any) bool {
	a, ok1 := old.(*account)
	b, ok2 := cur.(*account)
	return ok1 && ok2 && a.uid == b.uid && a.hasFinalizer == b.hasFinalizer && a.deleting == b.deleting && a.skipped == b.skipped &&
		slices.Equal(a.annotations, b.annotations) && slices.Equal(a.unknown, b.unknown)
}

// relevant says whether a cached object asks for something, or may have before
// it went away unseen.
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

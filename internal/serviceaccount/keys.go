package serviceaccount

import (
	"iter"

	"kube-aws-iam-controller/internal/identity"
)

// Keys yields every ServiceAccount that asks for something.
func (s *Source) Keys() iter.Seq[identity.Key] {
	return func(yield func(identity.Key) bool) {
		for _, obj := range s.informer.GetStore().List() {
			if a, ok := obj.(*account); ok && a.asksNow() &&
				!yield(identity.Key{Source: identity.ServiceAccount, Namespace: a.namespace, Name: a.name}) {
				return
			}
		}
	}
}

package serviceaccount

import (
	"iter"

	"kube-aws-iam-controller/internal/identity"
)

// Keys yields every ServiceAccount that asks for something.
func (s *Source) Keys() iter.Seq[identity.Key] { return s.keys((*account).asksNow) }

// Owners yields every ServiceAccount that asks for a role of its own, or for
// which one may have been made.
func (s *Source) Owners() iter.Seq[identity.Key] {
	return s.keys(func(a *account) bool { return a.held || a.asksNow() && asksForOwn(a.asked()) })
}

func (s *Source) keys(which func(*account) bool) iter.Seq[identity.Key] {
	return func(yield func(identity.Key) bool) {
		for _, obj := range s.informer.GetStore().List() {
			if a, ok := obj.(*account); ok && which(a) &&
				!yield(identity.Key{Source: identity.ServiceAccount, Namespace: a.namespace, Name: a.name}) {
				return
			}
		}
	}
}

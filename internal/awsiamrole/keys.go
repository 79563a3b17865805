package awsiamrole

import (
	"iter"

	"kube-aws-iam-controller/internal/identity"
)

// Keys yields every AWSIAMRole.
func (s *Source) Keys() iter.Seq[identity.Key] {
	return func(yield func(identity.Key) bool) {
		for _, obj := range s.informer.GetStore().List() {
			if role, ok := obj.(*AWSIAMRole); ok &&
				!yield(identity.Key{Source: identity.AWSIAMRole, Namespace: role.Namespace, Name: role.Name}) {
				return
			}
		}
	}
}

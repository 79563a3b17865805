package managedrole

import "kube-aws-iam-controller/internal/identity"

// offerPolicy has others look at a policy that was written, if that is wanted. It does not
// wait for them.
func (m *Manager) offerPolicy(want identity.Desired) {
	if m.OfferPolicy != nil {
		m.OfferPolicy(want)
	}
}

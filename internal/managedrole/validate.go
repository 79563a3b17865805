package managedrole

import "kube-aws-iam-controller/internal/identity"

// offerPolicy offers a policy that was written for validation, if that is configured.
// It does not wait.
func (m *Manager) offerPolicy(want identity.Desired) {
	if m.OfferPolicy != nil {
		m.OfferPolicy(want)
	}
}

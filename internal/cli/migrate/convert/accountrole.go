package convert

import "kube-aws-iam-controller/internal/api"

// accountRole returns what a ServiceAccount should have, nil for nothing, or that this
// is already decided: nothing is converted there.
func (c *converter) accountRole(k key, users []*workload) (has *request, decided bool) {
	if c.isTemplate(k) || c.managed(k, users) {
		return nil, true
	}
	own, readable := c.accountRequest(k)
	if !readable {
		c.keep(k, users)
		return nil, true
	}
	if own != nil {
		return own, false
	}
	has = c.common(k, users)
	if has == nil || !c.areKept(users) {
		return has, false
	}
	for _, w := range users {
		w.wants.remove()
	}
	return nil, true
}

// owned is the System of a ServiceAccount that has the controller's own annotation.
const owned System = "the controller"

// keep reports that pods and the other settings of a ServiceAccount stay as they are,
// because the controller's annotation on it is not understood: it could be for the same
// role.
func (c *converter) keep(k key, users []*workload) {
	const until = "nothing of %s by %s is converted until %s of the ServiceAccount %s is corrected"
	if other := orElse(c.irsaAccount(c.accounts[k]), c.associated[k]); other != nil {
		c.open(c.accounts[k], nil, until, other.role, other.system, api.RoleAnnotation, k)
	}
	for _, w := range users {
		if w.wants != nil {
			c.open(w.object, w.wants.node, until, w.wants.role, w.wants.system, api.RoleAnnotation, k)
		}
	}
}

// accountRequest returns what a ServiceAccount itself requests, nil if nothing, and whether
// that is understood.
func (c *converter) accountRequest(k key) (*request, bool) {
	o := c.accounts[k]
	if o == nil {
		return c.associated[k], true
	}
	irsa := c.irsaAccount(o)
	if value, has := o.annotation(api.RoleAnnotation); has {
		own := c.ownRequest(o, value)
		if own == nil {
			return nil, false
		}
		if irsa != nil {
			own.remove = irsa.remove
		}
		own.beside = orElse(irsa, c.associated[k])
		return own, true
	}
	if associated := c.associated[k]; irsa != nil && associated != nil && !irsa.same(associated) {
		c.note(o, irsa.node, "it has %s by IRSA and %s by EKS Pod Identity: SDKs use the first, and so does this", irsa, associated)
	}
	return orElse(irsa, c.associated[k]), true
}

// ownRequest returns what a ServiceAccount requests by the controller's own annotation, nil
// if that is malformed.
func (c *converter) ownRequest(o *object, value string) *request {
	own, err := c.parseOwn(o, value)
	if err != nil {
		c.open(o, nil, "%v", err)
		return nil
	}
	return own
}

// common returns the request of all workloads that use a ServiceAccount, nil if they
// differ, or if pods that are not known may use it.
func (c *converter) common(k key, users []*workload) *request {
	if len(c.unknown[k]) > 0 || c.isUsed(k) {
		return nil
	}
	return agreed(k, users)
}

// agreed is the same for the workloads alone.
func agreed(k key, users []*workload) *request {
	if k.name == defaultAccount || len(users) == 0 {
		return nil
	}
	reference := users[0].wants
	for _, w := range users {
		if w.wants != nil && w.wants.session != 0 {
			reference = w.wants
		}
	}
	for _, w := range users {
		if w.wants == nil || !w.wants.same(reference) {
			return nil
		}
	}
	return reference
}

// old returns what a system other than the controller gives a ServiceAccount, nil for
// nothing.
func (r *request) old() *request {
	switch {
	case r == nil:
		return nil
	case r.system == owned:
		return r.beside
	default:
		return r
	}
}

package convert

import "kube-aws-iam-controller/internal/api"

// policies returns the annotation by which a ServiceAccount has a role that the
// controller makes for it, "" if it has none.
func policies(o *object) string {
	for _, name := range []string{api.RolePolicyAnnotation, api.ManagedPoliciesAnnotation} {
		if _, has := o.annotation(name); has {
			return name
		}
	}
	return ""
}

// managed reports whether the controller creates a role for a ServiceAccount, and
// reports what else is requested. The controller refuses both together, so nothing is
// written there: the working identity would be lost.
func (c *converter) managed(k key, users []*workload) bool {
	o := c.accounts[k]
	if o == nil || policies(o) == "" {
		return false
	}
	if _, own := o.annotation(api.RoleAnnotation); own {
		c.open(o, nil, "it has both %s and %s, which the controller refuses: remove the one that is not used", api.RoleAnnotation, policies(o))
	}
	if irsa := c.irsaAccount(o); irsa != nil {
		c.openManaged(o, irsa.node, irsa, o)
	}
	if associated := c.associated[k]; associated != nil {
		c.openManaged(c.associatedAt[k], associated.node, associated, o)
		c.keepAssociation(k)
	}
	for _, w := range users {
		if w.wants != nil {
			c.open(w.object, w.wants.node, "its pods ask for %s by %s, but their ServiceAccount has a role of its own by %s, and the controller refuses both together: "+
				"remove the one that is not used, or give the pods a ServiceAccount of their own", w.wants.role, w.wants.system, policies(o))
		}
	}
	return true
}

// openManaged says, at a place, that a ServiceAccount with a role of its own is to have
// another one.
func (c *converter) openManaged(place *object, at *node, wants *request, o *object) {
	c.open(place, at, "it asks for %s by %s, but the ServiceAccount has a role of its own by %s, and the controller refuses both together: remove the one that is not used",
		wants.role, wants.system, policies(o))
}

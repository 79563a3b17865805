package convert

import (
	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/cli/migrate/manifest"
)

const rbacGroup = "rbac.authorization.k8s.io"

// bind gives a ServiceAccount the bindings of the one that it replaces.
func (c *converter) bind(from, to key) {
	for _, o := range c.bindings {
		subjects := manifest.At(o.node, "subjects")
		if !c.binds(o, from) || c.binds(o, to) {
			continue
		}
		if o.doc.Shared(subjects) {
			c.open(o, subjects, "its subjects are written with an anchor that is used elsewhere: add the ServiceAccount %s by hand", to)
			continue
		}
		if c.isKept(o) {
			c.open(o, subjects, "its document cannot be changed: add the ServiceAccount %s by hand", to)
			continue
		}
		o.doc.Prepend(subjects,
			[2]string{"kind", api.ServiceAccountKind}, [2]string{"name", to.name}, [2]string{"namespace", to.namespace})
	}
}

// binds reports whether a binding names a ServiceAccount, as such or as a user.
func (c *converter) binds(o *object, k key) bool {
	for subject := range manifest.Items(o.node, "subjects") {
		kind, name := manifest.String(subject, "kind"), manifest.String(subject, "name")
		namespace := manifest.String(subject, "namespace")
		if namespace == "" {
			namespace = o.namespace
		}
		if kind == api.ServiceAccountKind && name == k.name && namespace == k.namespace ||
			kind == "User" && name == "system:serviceaccount:"+k.namespace+":"+k.name {
			return true
		}
	}
	return false
}

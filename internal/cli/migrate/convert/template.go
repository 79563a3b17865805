package convert

import (
	"fmt"
	"regexp"

	"k8s.io/apimachinery/pkg/api/validation"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/cli/migrate/manifest"
	"kube-aws-iam-controller/internal/identity"
)

// A misnomer is a name that Kubernetes refuses. An object with one is usually a
// template: its final name is not known, nor what else is filled in.
type misnomer struct {
	what, value string
	node        *node
}

// misnamed returns what is wrong with the names of an object, nil if nothing. An object
// without a name is for kubectl to refuse.
func (o *object) misnamed() *misnomer {
	generated := manifest.String(o.node, "metadata", "name") == ""
	switch {
	case o.name != "" && len(validation.NameIsDNSSubdomain(o.name, generated)) > 0:
		return &misnomer{"name", o.name, manifest.At(o.node, "metadata", "name")}
	case o.named && len(validation.ValidateNamespaceName(o.namespace, false)) > 0:
		return &misnomer{"namespace", o.namespace, manifest.At(o.node, "metadata", "namespace")}
	}
	return nil
}

// misnamed is like that of an object, and includes the ServiceAccount.
func (w *workload) misnamed() *misnomer {
	if wrong := w.object.misnamed(); wrong != nil {
		return wrong
	}
	if len(validation.ValidateServiceAccountName(w.account.name, false)) > 0 {
		return &misnomer{"ServiceAccount", w.account.name, w.accountNode()}
	}
	return nil
}

// leave says that an object is left as it is because of a name.
func (c *converter) leave(o *object, wrong *misnomer) {
	remedy := templateRemedy(o.doc)
	if remedy == "" {
		remedy = "; if it is filled in later, convert what comes of that to see what has to change, and change it here by hand; otherwise correct it"
	}
	c.open(o, wrong.node, "it is left as it is, because its %s %s is no name in Kubernetes%s", wrong.what, identity.Quote(wrong.value), remedy)
}

// isTemplate reports whether a ServiceAccount belongs to a template, and reports what
// it requests. Workloads that use it were left as they are.
func (c *converter) isTemplate(k key) bool {
	o := c.accounts[k]
	if o == nil || o.misnamed() == nil {
		return false
	}
	for _, each := range append([]*object{o}, c.again[k]...) {
		if _, irsa := each.annotation(api.IRSAAnnotation); irsa {
			c.claim(manifest.At(each.node, "metadata", "annotations"), api.IRSAAnnotation)
			c.leave(each, each.misnamed())
		}
	}
	return true
}

// placeholder matches what envsubst and Helm fill in.
var placeholder = regexp.MustCompile(`\$\{[^}]*\}?|\{\{[^}]*\}*`)

// checkPath returns an error if the path of a role has a placeholder of a template. To IAM
// it would be a name like any other, so that nothing else notices.
func checkPath(role identity.RoleReference) error {
	if at := placeholder.FindString(role.Path); at != "" {
		return fmt.Errorf("%s has a placeholder in its path, %s: write the role out, or convert what comes of the template", identity.Quote(role.String()), at)
	}
	return nil
}

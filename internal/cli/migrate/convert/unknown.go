package convert

import (
	"slices"
	"strings"

	"kube-aws-iam-controller/internal/cli/migrate/manifest"
)

// An unknownUse is a place where an object of an unknown kind names a ServiceAccount.
// Most such kinds run pods with it.
type unknownUse struct {
	*object

	// path leads from the object to the field.
	path []string
	node *node
}

// usesUnknown finds where an object of an unknown kind names ServiceAccounts. Kinds
// that are not part of Kubernetes are in groups with a dot; in its own groups, unknown
// kinds have no pods, such as the data of a ConfigMap.
func (c *converter) usesUnknown(o *object) {
	if !strings.Contains(o.group, ".") {
		return
	}
	seen := map[*node]bool{} // by aliases a node can stand in itself
	var visit func(n *node, path []string)
	visit = func(n *node, path []string) {
		if n = manifest.At(n); n == nil || seen[n] {
			return
		}
		seen[n] = true
		for item := range manifest.Items(n) {
			visit(item, append(slices.Clone(path), "[]"))
		}
		for name, value := range manifest.Entries(n) {
			at := append(slices.Clone(path), name)
			if account := manifest.String(value); account != "" && slices.Contains(accountFields, name) {
				k := key{o.namespace, account}
				c.unknown[k] = append(c.unknown[k], unknownUse{o, at, value})
				continue
			}
			visit(value, at)
		}
	}
	visit(o.node, nil)
}

// noteUnknown reports that workloads share a ServiceAccount with unknown pods, which is
// why it does not get the role that the workloads have in common.
func (c *converter) noteUnknown(k key, users []*workload) {
	if agreed(k, users) == nil {
		return
	}
	c.noteUses(k)
	for _, use := range c.unknown[k] {
		c.note(use.object, use.node, "it uses the ServiceAccount %s in a way that is not known here, so that %s gets no role, and workloads that ask for one get another ServiceAccount%s",
			k.name, k.name, use.remedy())
	}
}

// remedy returns how to say where the pods are, "" if they are not described as a template.
func (u unknownUse) remedy() string {
	template := u.path[:len(u.path)-1]
	last := len(template) - 1
	if last < 1 || template[last] != "spec" || slices.Contains(template, "[]") || slices.Contains(template, "<<") {
		return ""
	}
	return "; if its pods are described there, give --pod-template " + u.kind + "." + u.group + "=" + strings.Join(template[:last], ".")
}

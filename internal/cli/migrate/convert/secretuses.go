package convert

import (
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/kyaml/yaml"

	"kube-aws-iam-controller/internal/cli/migrate/manifest"
)

// keepUsed removes from the result the AWSIAMRoles whose Secrets are still used after
// the conversion, and reports where, unless that place has been reported already.
func (c *converter) keepUsed() {
	if len(c.roles) == 0 {
		return
	}
	used := map[string]bool{}
	for _, o := range c.objects {
		for _, use := range secretsIn(o) {
			if c.roles[use.secret] == nil {
				continue
			}
			used[use.secret.String()] = true
			if !c.explained[use.at] {
				c.open(o, use.at, "it uses the Secret of the AWSIAMRole %s, which therefore has to stay: %s", use.secret, c.useRemedy(o))
			}
		}
	}
	c.result.Roles = slices.DeleteFunc(c.result.Roles, func(role string) bool { return used[role] })
}

// useRemedy returns what to do about an object that uses the Secret of an AWSIAMRole.
func (c *converter) useRemedy(o *object) string {
	const remedy = "have its SDKs use what the controller gives to its ServiceAccount, and remove this"
	if slices.ContainsFunc(c.workloads, func(w *workload) bool { return w.object == o }) {
		return remedy
	}
	return remedy + "; if its pods are described here, --pod-template says where"
}

// A secretUse is a Secret that an object uses, and where its name stands.
type secretUse struct {
	secret key
	at     *node
}

// secretsIn returns what Secrets an object uses, in order. Kinds that are not known name
// them in the same ways as pods.
func secretsIn(o *object) (all []secretUse) {
	seen := map[*node]bool{} // by aliases a value can have itself inside
	var visit func(n *node)
	visit = func(n *node) {
		if n.Kind == yaml.AliasNode {
			n = n.Alias
		}
		if seen[n] {
			return
		}
		seen[n] = true
		for i, child := range n.Content {
			if n.Kind == yaml.MappingNode && i%2 == 1 {
				if use := namedSecret(n, n.Content[i-1].Value, o.namespace); use.at != nil {
					all = append(all, use)
				}
			}
			visit(child)
		}
	}
	visit(o.node)
	return all
}

// namedSecret returns the Secret that a key of a mapping names, if it names one.
func namedSecret(mapping *node, name, namespace string) secretUse {
	value := manifest.At(mapping, name)
	switch lower := strings.ToLower(name); {
	case strings.HasSuffix(lower, "secretname"):
	case lower == "secret", strings.HasSuffix(lower, "secretref"), strings.HasSuffix(lower, "secretkeyref"):
		if other := manifest.String(value, "namespace"); other != "" { // as PersistentVolumes have it
			namespace = other
		}
		value = manifest.At(value, "name")
	default:
		return secretUse{}
	}
	if manifest.String(value) == "" {
		return secretUse{}
	}
	return secretUse{key{namespace, value.Value}, value}
}

package convert

import (
	"fmt"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/kyaml/yaml"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/cli/migrate/manifest"
	"kube-aws-iam-controller/internal/identity"
)

// annotate gives a ServiceAccount its role, and its pods what they need besides.
func (c *converter) annotate(k key, has *request, users []*workload) error {
	account := c.account(k, has, "")
	account.Done = has.system == owned
	if has.beside != nil {
		account.System = has.beside.system
	}
	for _, w := range users {
		changed := w.wants != nil && (c.RemoveOld || w.wants.system == AWSIAMRole)
		account.Workloads = append(account.Workloads, Workload{Kind: w.kind, Name: w.name, Changed: changed, Wired: w.wants != nil})
		if w.wants != nil {
			w.wants.remove()
			account.System = w.wants.system
		}
	}
	o := c.accounts[k]
	switch {
	case o == nil:
		return c.create(k, firstOf(users), account)
	case has.system == owned:
		c.remove(has)
		return nil
	case o.doc.Shared(o.node):
		c.open(o, nil, "it is written with an anchor that is used elsewhere: add %s: %s by hand", api.RoleAnnotation, has.written())
		return nil
	}
	metadata := manifest.At(o.node, "metadata")
	for _, pair := range c.wanted(has) {
		if _, there := o.annotation(pair[0]); !there {
			o.doc.SetIn(metadata, "annotations", pair[0], pair[1])
		}
	}
	c.remove(has)
	return nil
}

// remove takes off what a ServiceAccount had before, unless pods would then get another
// role than today.
func (c *converter) remove(has *request) {
	if !has.contested {
		has.remove()
	}
}

func firstOf(users []*workload) *workload {
	if len(users) == 0 {
		return nil
	}
	return users[0]
}

// wanted returns the annotations that request a role, the last one first.
func (c *converter) wanted(has *request) (pairs [][2]string) {
	if c.Region != "" {
		pairs = append(pairs, [2]string{api.RegionAnnotation, c.Region})
	}
	if has.sessionPolicy != "" {
		pairs = append(pairs, [2]string{api.SessionPolicyAnnotation, identity.EscapeVariables(has.sessionPolicy)})
	}
	if has.session != 0 && has.session != identity.DefaultSession {
		pairs = append(pairs, [2]string{api.SessionDurationAnnotation, fmt.Sprintf("%d", int(has.session.Seconds()))})
	}
	return append(pairs, [2]string{api.RoleAnnotation, has.written()})
}

// create adds a new ServiceAccount in front of a workload, or, where there is none or it
// is JSON, to a file of its own. It has what its pods got from the
// ServiceAccount in whose place it is used.
func (c *converter) create(k key, w *workload, account *Account) error {
	account.Created = true
	has := c.associated[k]
	named := true
	var before *manifest.Document
	if w != nil {
		before = w.doc
	}
	if w != nil {
		has, named = orElse(w.wants, has), w.named
	}
	metadata := &yaml.Node{Kind: yaml.MappingNode}
	put(metadata, "name", text(k.name))
	if named {
		put(metadata, "namespace", text(k.namespace))
	}
	sa := &yaml.Node{Kind: yaml.MappingNode}
	put(sa, "apiVersion", text(api.ServiceAccountAPIVersion))
	put(sa, "kind", text(api.ServiceAccountKind))
	put(sa, "metadata", metadata)
	if old := c.accounts[key{k.namespace, account.From}]; old != nil {
		inherit(sa, metadata, old)
	}
	annotations := &yaml.Node{Kind: yaml.MappingNode}
	for _, pair := range slices.Backward(c.wanted(has)) {
		put(annotations, pair[0], text(pair[1]))
	}
	put(metadata, "annotations", annotations)
	return c.fileFor(k, w).Insert(sa, before)
}

func orElse(first, second *request) *request {
	if first != nil {
		return first
	}
	return second
}

// inherit copies what pods get from a ServiceAccount besides its identity.
func inherit(sa, metadata *node, old *object) {
	labels := &yaml.Node{Kind: yaml.MappingNode}
	from := manifest.At(old.node, "metadata", "labels")
	for i := 0; from != nil && i+1 < len(from.Content); i += 2 {
		if name := from.Content[i].Value; name != api.RequestsLabel && name != "<<" {
			put(labels, name, text(manifest.String(from, name)))
		}
	}
	if len(labels.Content) > 0 {
		put(metadata, "labels", labels)
	}
	for _, field := range []string{"automountServiceAccountToken", "imagePullSecrets"} {
		if value := manifest.At(old.node, field); value != nil {
			put(sa, field, plainCopy(value))
		}
	}
}

// plainCopy copies a node without comments, anchors and aliases.
func plainCopy(n *node) *node {
	if n.Kind == yaml.AliasNode {
		return plainCopy(n.Alias)
	}
	clone := &yaml.Node{Kind: n.Kind, Tag: n.Tag, Value: n.Value}
	for _, child := range n.Content {
		clone.Content = append(clone.Content, plainCopy(child))
	}
	return clone
}

func put(mapping *node, name string, value *node) {
	mapping.Content = append(mapping.Content, text(name), value)
}

func text(value string) *node {
	n := &yaml.Node{}
	n.SetString(value)
	return n
}

// fileFor returns the file to which a new ServiceAccount is added.
func (c *converter) fileFor(k key, w *workload) *manifest.File {
	var file *manifest.File
	if w != nil {
		file = w.doc.File
	} else if at := c.associatedAt[k]; at != nil {
		file = at.doc.File
	}
	if !file.IsJSON() {
		return file
	}
	name := strings.TrimSuffix(file.Name, ".json") + newAccountsSuffix
	for _, f := range c.files {
		if f.Name == name {
			return f
		}
	}
	file = &manifest.File{Name: name}
	c.files = append(c.files, file)
	return file
}

// newAccountsSuffix is the end of the name of files with new ServiceAccounts.
const newAccountsSuffix = ".serviceaccounts.yaml"

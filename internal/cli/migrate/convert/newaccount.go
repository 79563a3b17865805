package convert

import (
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/kyaml/yaml"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/cli/migrate/manifest"
)

// create adds a new ServiceAccount in front of a workload, or, where there is none or it
// is JSON, to a file of its own. It has what its pods got from the
// ServiceAccount in whose place it is used.
func (c *converter) create(k key, w *workload, has *request, account *Account) error {
	account.Created = true
	named := true
	var before *manifest.Document
	if w != nil {
		before, named = w.doc, w.named
	}
	metadata := &yaml.Node{Kind: yaml.MappingNode}
	put(metadata, "name", manifest.Scalar(k.name))
	if named {
		put(metadata, "namespace", manifest.Scalar(k.namespace))
	}
	sa := &yaml.Node{Kind: yaml.MappingNode}
	put(sa, "apiVersion", manifest.Scalar(api.ServiceAccountAPIVersion))
	put(sa, "kind", manifest.Scalar(api.ServiceAccountKind))
	put(sa, "metadata", metadata)
	if old := c.accounts[key{k.namespace, account.From}]; old != nil {
		inherit(sa, metadata, old)
	}
	annotations := &yaml.Node{Kind: yaml.MappingNode}
	for _, pair := range slices.Backward(c.wanted(has)) {
		put(annotations, pair[0], manifest.Scalar(pair[1]))
	}
	put(metadata, "annotations", annotations)
	return c.fileFor(k, w).Insert(sa, before)
}

// inherit copies what pods get from a ServiceAccount besides its identity.
func inherit(sa, metadata *node, old *object) {
	labels := &yaml.Node{Kind: yaml.MappingNode}
	from := manifest.At(old.node, "metadata", "labels")
	for i := 0; from != nil && i+1 < len(from.Content); i += 2 {
		if name := from.Content[i].Value; name != api.RequestsLabel && name != "<<" {
			put(labels, name, manifest.Scalar(manifest.String(from, name)))
		}
	}
	if len(labels.Content) > 0 {
		put(metadata, "labels", labels)
	}
	if automount := manifest.At(old.node, "automountServiceAccountToken"); automount != nil && automount.Kind == yaml.ScalarNode {
		put(sa, "automountServiceAccountToken", &yaml.Node{Kind: yaml.ScalarNode, Tag: automount.Tag, Style: automount.Style, Value: automount.Value})
	}
	secrets := &yaml.Node{Kind: yaml.SequenceNode}
	for item := range manifest.Items(old.node, "imagePullSecrets") {
		secret := &yaml.Node{Kind: yaml.MappingNode}
		put(secret, "name", manifest.Scalar(manifest.String(item, "name")))
		secrets.Content = append(secrets.Content, secret)
	}
	if len(secrets.Content) > 0 {
		put(sa, "imagePullSecrets", secrets)
	}
}

func put(mapping *node, name string, value *node) {
	mapping.Content = append(mapping.Content, manifest.Scalar(name), value)
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

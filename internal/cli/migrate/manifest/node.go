package manifest

import (
	"iter"
	"slices"

	"sigs.k8s.io/kustomize/kyaml/yaml"
)

// At returns the value at a path of keys, nil if there is none. Aliases and merge keys
// are followed.
func At(n *yaml.Node, path ...string) *yaml.Node {
	n = resolve(n)
	for _, key := range path {
		n = resolve(lookup(n, key))
		if n == nil {
			return nil
		}
	}
	return n
}

// lookup returns the value of a key, its own before those of merged mappings.
func lookup(n *yaml.Node, key string) *yaml.Node {
	for _, mapping := range layers(n) {
		if _, value := Own(mapping, key); value != nil {
			return value
		}
	}
	return nil
}

// layers returns a mapping and those that it merges (https://yaml.org/type/merge.html),
// in order of precedence, each once: merge keys can form cycles.
func layers(n *yaml.Node) (all []*yaml.Node) {
	seen := map[*yaml.Node]bool{}
	var visit func(n *yaml.Node)
	visit = func(n *yaml.Node) {
		n = resolve(n)
		if n == nil || seen[n] {
			return
		}
		seen[n] = true
		if n.Kind == yaml.SequenceNode {
			for _, item := range n.Content {
				visit(item)
			}
			return
		}
		if n.Kind == yaml.MappingNode {
			all = append(all, n)
			_, merged := Own(n, "<<")
			visit(merged)
		}
	}
	if n != nil && n.Kind == yaml.MappingNode {
		visit(n)
	}
	return all
}

// Own returns key and value of a mapping's own entry, nil if it has none.
func Own(n *yaml.Node, key string) (keyNode, value *yaml.Node) {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Kind == yaml.ScalarNode && n.Content[i].Value == key {
			return n.Content[i], n.Content[i+1]
		}
	}
	return nil, nil
}

func resolve(n *yaml.Node) *yaml.Node {
	if n != nil && n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// String returns the text of a scalar at a path, "" if there is none.
func String(n *yaml.Node, path ...string) string {
	value := At(n, path...)
	if value == nil || value.Kind != yaml.ScalarNode || value.ShortTag() == "!!null" {
		return ""
	}
	return value.Value
}

// Strings returns the own and merged entries of a mapping whose values are scalars.
func Strings(n *yaml.Node) map[string]string {
	all := map[string]string{}
	mappings := layers(resolve(n))
	for _, mapping := range slices.Backward(mappings) {
		for i := 0; i+1 < len(mapping.Content); i += 2 {
			value := resolve(mapping.Content[i+1])
			if value.Kind == yaml.ScalarNode && mapping.Content[i].Value != "<<" {
				all[mapping.Content[i].Value] = value.Value
			}
		}
	}
	return all
}

// Entries yields the own entries of a mapping, a merge key as it stands.
func Entries(n *yaml.Node) iter.Seq2[string, *yaml.Node] {
	return func(yield func(string, *yaml.Node) bool) {
		n = resolve(n)
		for i := 0; n != nil && n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
			if !yield(n.Content[i].Value, n.Content[i+1]) {
				return
			}
		}
	}
}

// Items yields the elements of a sequence at a path.
func Items(n *yaml.Node, path ...string) iter.Seq[*yaml.Node] {
	return func(yield func(*yaml.Node) bool) {
		sequence := At(n, path...)
		if sequence == nil || sequence.Kind != yaml.SequenceNode {
			return
		}
		for _, item := range sequence.Content {
			if !yield(resolve(item)) {
				return
			}
		}
	}
}

// Aliases returns all aliases that refer to a node.
func (d *Document) Aliases(n *yaml.Node) (all []*yaml.Node) {
	if n == nil || !d.aliased[n] {
		return nil
	}
	d.Walk(func(other *yaml.Node) {
		if other.Kind == yaml.AliasNode && other.Alias == n {
			all = append(all, other)
		}
	})
	return all
}

// Walk calls visit for every node of a document, without following aliases.
func (d *Document) Walk(visit func(n *yaml.Node)) {
	if d.Root == nil {
		return
	}
	visit(d.Root)
	walk(d.Root, visit)
}

func walk(n *yaml.Node, visit func(n *yaml.Node)) {
	for _, child := range n.Content {
		visit(child)
		walk(child, visit)
	}
}

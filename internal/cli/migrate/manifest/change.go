package manifest

import (
	"slices"

	"sigs.k8s.io/kustomize/kyaml/yaml"
)

// changes are the changes of a document: made in its tree at once, and in its text
// when it is rendered.
type changes struct {
	made    bool
	patches []patch
	// untextual reports that a change cannot be made in the text.
	untextual bool
}

// A patch replaces bytes of a document's text.
type patch struct {
	start, end int
	text       string
}

// Changed reports whether the document was changed, or added.
func (d *Document) Changed() bool { return d.changes.made || d.added }

// Added reports whether the document was added.
func (d *Document) Added() bool { return d.added }

// reset undoes all changes. Nodes that were found in the document are no longer its.
func (d *Document) reset() {
	read := newDocument(d.File, d.line, d.separator, d.body)
	d.Root, d.Err, d.parents, d.aliased = read.Root, read.Err, read.parents, read.aliased
	d.changes, d.output, d.read = changes{}, nil, nil
}

// record notes a change of the tree and the patches of the text that say the same.
func (d *Document) record(possible bool, patches ...patch) {
	d.changes.made = true
	d.output = nil
	for _, p := range patches {
		if p.start == p.end { // the last entry that is inserted comes first, in the tree as well
			d.changes.patches = slices.Insert(d.changes.patches, 0, p)
		} else {
			d.changes.patches = append(d.changes.patches, p)
		}
	}
	d.changes.untextual = d.changes.untextual || !possible
}

// Set sets a key of a mapping to a string. A new key becomes the first.
func (d *Document) Set(mapping *yaml.Node, key, value string) {
	if _, old := Own(mapping, key); old != nil {
		patches, possible := d.text().replaceScalar(old, value)
		*old = *d.scalar(value)
		d.record(possible, patches...)
		return
	}
	p, possible := d.text().insertEntry(mapping, key, value)
	d.insert(mapping, key, d.scalar(value))
	d.record(possible, p)
}

// SetIn sets a key of the mapping at parent.name to a string, and makes the mapping if
// there is none.
func (d *Document) SetIn(parent *yaml.Node, name, key, value string) {
	old, inner := Own(parent, name)
	if inner = resolve(inner); inner != nil && inner.Kind == yaml.MappingNode {
		d.Set(inner, key, value)
		return
	}
	added := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	added.Content = []*yaml.Node{d.scalar(key), d.scalar(value)}
	if old != nil { // null, or nonsense
		_, inner = Own(parent, name)
		*inner = *added
		d.record(false)
		return
	}
	p, possible := d.text().insertMapping(parent, name, key, value)
	d.insert(parent, name, added)
	d.record(possible, p)
}

func (d *Document) insert(mapping *yaml.Node, key string, value *yaml.Node) {
	mapping.Content = slices.Insert(mapping.Content, 0, d.scalar(key), value)
	d.parents[mapping.Content[0]], d.parents[value] = mapping, mapping
}

// Remove removes keys from the mapping at parent.name, and the mapping itself if
// nothing is left of it. Keys that it does not have itself are ignored.
func (d *Document) Remove(parent *yaml.Node, name string, keys ...string) {
	_, inner := Own(parent, name)
	if inner = resolve(inner); inner == nil || inner.Kind != yaml.MappingNode {
		return
	}
	left := 0
	for i := 0; i+1 < len(inner.Content); i += 2 {
		if !slices.Contains(keys, inner.Content[i].Value) {
			left++
		}
	}
	if left == 0 && len(inner.Content) > 0 && !d.aliased[inner] {
		d.removeKey(parent, name)
		return
	}
	for _, key := range keys {
		d.removeKey(inner, key)
	}
}

func (d *Document) removeKey(mapping *yaml.Node, key string) {
	keyNode, _ := Own(mapping, key)
	if keyNode == nil {
		return
	}
	p, possible := d.text().removeEntry(mapping, keyNode)
	i := slices.Index(mapping.Content, keyNode)
	mapping.Content = slices.Delete(mapping.Content, i, i+2)
	d.record(possible, p)
}

// RemoveItems removes those items of the sequence at parent.name that match, and the
// sequence itself if none is left.
func (d *Document) RemoveItems(parent *yaml.Node, name string, matches func(*yaml.Node) bool) {
	_, sequence := Own(parent, name)
	if sequence = resolve(sequence); sequence == nil || sequence.Kind != yaml.SequenceNode {
		return
	}
	var gone []*yaml.Node
	for _, item := range sequence.Content {
		if matches(resolve(item)) {
			gone = append(gone, item)
		}
	}
	switch {
	case len(gone) == 0:
	case len(gone) == len(sequence.Content) && !d.aliased[sequence]:
		d.removeKey(parent, name)
	default:
		for _, item := range gone {
			p, possible := d.text().removeItem(sequence, item)
			d.record(possible, p)
		}
		sequence.Content = slices.DeleteFunc(sequence.Content, func(n *yaml.Node) bool { return slices.Contains(gone, n) })
	}
}

// Prepend puts a mapping, given as pairs of key and value, in front of a sequence that
// has at least one item.
func (d *Document) Prepend(sequence *yaml.Node, pairs ...[2]string) {
	added := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	for _, pair := range pairs {
		added.Content = append(added.Content, d.scalar(pair[0]), d.scalar(pair[1]))
	}
	p, possible := d.text().insertItem(sequence, pairs)
	sequence.Content = slices.Insert(sequence.Content, 0, added)
	d.record(possible, p)
}

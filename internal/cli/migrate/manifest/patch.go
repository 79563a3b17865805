package manifest

import (
	"strings"

	"sigs.k8s.io/kustomize/kyaml/yaml"
)

// replaceScalar returns the patch that replaces a scalar on one line.
func (t *text) replaceScalar(n *yaml.Node, value string) ([]patch, bool) {
	at := t.offset(n)
	if n.Kind != yaml.ScalarNode || n.Anchor != "" || at < 0 {
		return nil, false
	}
	length := len(n.Value)
	switch n.Style {
	case 0: // plain
	case yaml.DoubleQuotedStyle, yaml.SingleQuotedStyle:
		length += 2
	default:
		return nil, false
	}
	if at+length > len(t.body) || !strings.Contains(t.body[at:at+length], n.Value) {
		return nil, false // it has escapes, or is folded
	}
	quoted := t.quote(value)
	if n.Style == yaml.DoubleQuotedStyle {
		quoted = doubleQuoted(value)
	}
	return []patch{{at, at + length, quoted}}, true
}

// insertEntry returns the patch that makes key and value the first entry of a mapping.
func (t *text) insertEntry(mapping *yaml.Node, key, value string) (patch, bool) {
	if isFlow(mapping) {
		return t.insertFlow(mapping, t.quote(key)+": "+t.quote(value))
	}
	return t.insertLines(mapping, []string{t.quote(key) + ": " + t.quote(value)})
}

// insertMapping returns the patch for an entry whose value is a mapping with one entry.
func (t *text) insertMapping(parent *yaml.Node, name, key, value string) (patch, bool) {
	if isFlow(parent) {
		return t.insertFlow(parent, t.quote(name)+": {"+t.quote(key)+": "+t.quote(value)+"}")
	}
	return t.insertLines(parent, []string{t.quote(name) + ":", "  " + t.quote(key) + ": " + t.quote(value)})
}

// insertLines returns the patch that inserts lines in front of the first entry of a
// mapping in block style.
func (t *text) insertLines(mapping *yaml.Node, lines []string) (patch, bool) {
	first := firstRead(mapping)
	if first == nil {
		return patch{}, false
	}
	at := t.offset(first)
	if at < 0 || strings.Contains(t.before(at), "\t") {
		return patch{}, false
	}
	indent := strings.Repeat(" ", first.Column-1)
	inserted := strings.Join(lines, t.eol+indent) + t.eol
	if before := t.before(at); isBlank(before) {
		return patch{at - len(before), at - len(before), indent + inserted}, true
	}
	return patch{at, at, inserted + indent}, true
}

// firstRead returns the first child of a node that was not inserted, nil if there is
// none.
func firstRead(n *yaml.Node) *yaml.Node {
	for _, child := range n.Content {
		if child.Line > 0 {
			return child
		}
	}
	return nil
}

// insertFlow returns the patch that inserts an element at the beginning of a collection
// in flow style, on a line of its own if the first element has one.
func (t *text) insertFlow(collection *yaml.Node, element string) (patch, bool) {
	at := t.offset(collection)
	if at < 0 || at >= len(t.body) || !strings.ContainsRune("{[", rune(t.body[at])) {
		return patch{}, false
	}
	first := firstRead(collection)
	if first == nil {
		return patch{at + 1, at + 1, element}, true
	}
	if at = t.offset(first); at < 0 {
		return patch{}, false
	}
	after := ", "
	if before := t.before(at); before != "" && strings.Trim(before, " \t") == "" {
		after = "," + t.eol + before
	}
	return patch{at, at, element + after}, true
}

// removeEntry returns the patch that removes a key and its value.
func (t *text) removeEntry(mapping, key *yaml.Node) (patch, bool) {
	at := t.offset(key)
	switch {
	case at < 0:
		return patch{}, false
	case isFlow(mapping):
		return t.removeFlow(mapping, key, 2)
	case !isBlank(t.before(at)):
		return patch{}, false
	}
	_, value := Own(mapping, key.Value)
	items := value != nil && value.Kind == yaml.SequenceNode
	return patch{at - len(t.before(at)), t.blockEnd(at, key.Column-1, items), ""}, true
}

// removeItem returns the patch that removes an item of a sequence.
func (t *text) removeItem(sequence, item *yaml.Node) (patch, bool) {
	if isFlow(sequence) {
		return t.removeFlow(sequence, item, 1)
	}
	at := t.offset(item)
	if at < 0 {
		return patch{}, false
	}
	before := t.before(at)
	dash := strings.IndexByte(before, '-')
	if dash < 0 || !isBlank(before[:dash]) || !isBlank(before[dash+1:]) {
		return patch{}, false
	}
	return patch{at - len(before), t.blockEnd(at, dash, false), ""}, true
}

// removeFlow returns the patch that removes an element, of one or two nodes, of a
// collection in flow style, unless it is the last one.
func (t *text) removeFlow(collection, element *yaml.Node, width int) (patch, bool) {
	for i := 0; i+width < len(collection.Content); i += width {
		if collection.Content[i] == element {
			start, end := t.offset(element), t.offset(collection.Content[i+width])
			return patch{start, end, ""}, start >= 0 && end > start
		}
	}
	return patch{}, false
}

// insertItem returns the patch that makes a mapping the first item of a sequence.
func (t *text) insertItem(sequence *yaml.Node, pairs [][2]string) (patch, bool) {
	var entries []string
	for _, pair := range pairs {
		entries = append(entries, t.quote(pair[0])+": "+t.quote(pair[1]))
	}
	if isFlow(sequence) {
		return t.insertFlow(sequence, "{"+strings.Join(entries, ", ")+"}")
	}
	at := t.offset(sequence)
	if at < 0 || !isBlank(t.before(at)) || !isDash(t.body[at:]) {
		return patch{}, false
	}
	indent := t.before(at)
	return patch{at, at, "- " + strings.Join(entries, t.eol+indent+"  ") + t.eol + indent}, true
}

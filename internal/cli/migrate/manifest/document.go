package manifest

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"sigs.k8s.io/kustomize/kyaml/yaml"
)

// A Document is one document of a stream.
type Document struct {
	File *File
	// Err is why the document is not understood. It is then written as it was read.
	Err error
	// Root is the content, nil if the document is empty or not understood.
	Root *yaml.Node

	line            int // of the separator, in the file
	separator, body string
	changes         changes
	output          *string // set once rendered
	// added reports that it was not read, omitted that it is not written.
	added, omitted bool
	// continues reports that it is JSON and follows other JSON without a separator.
	continues bool
	parents   map[*yaml.Node]*yaml.Node
	aliased   map[*yaml.Node]bool
	read      *text // set once needed
}

func newDocument(f *File, line int, separator, body string) *Document {
	d := &Document{File: f, line: line, separator: separator, body: body}
	d.Root, d.Err = parse(body)
	if d.Root == nil {
		return d
	}
	d.parents, d.aliased = map[*yaml.Node]*yaml.Node{}, map[*yaml.Node]bool{}
	d.index(d.Root)
	if d.Err = d.badKey(); d.Err != nil {
		d.Root = nil
	}
	return d
}

// unknownAnchor is in an error of the parser. It has a value that somebody did not quote,
// and that may be a credential.
var unknownAnchor = regexp.MustCompile(`unknown anchor '.*' referenced`)

// parse returns the content of a document, nil if there is none.
func parse(body string) (*yaml.Node, error) {
	if !utf8.ValidString(body) || strings.ContainsRune(body, 0) {
		return nil, errors.New("it is not text in UTF-8")
	}
	if isEmpty(body) {
		return nil, nil //nolint:nilnil // a document without content is none
	}
	decoder := yaml.NewDecoder(strings.NewReader(body))
	var document, more yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return nil, nil //nolint:nilnil // a document without content is none
	case err != nil:
		return nil, errors.New("it is not YAML: " + unknownAnchor.ReplaceAllString(err.Error(), "an alias refers to no anchor: quote values that begin with *"))
	}
	if err := decoder.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, errors.New("it is not one YAML document: separate documents by a line ---")
	}
	if len(document.Content) != 1 {
		return nil, nil //nolint:nilnil // a document without content is none
	}
	return document.Content[0], nil
}

// isEmpty reports whether there are only comments, blank lines, directives and
// markers.
func isEmpty(body string) bool {
	for line := range strings.Lines(body) {
		switch text := strings.TrimSpace(strings.TrimPrefix(line, "\ufeff")); {
		case text == "", text == "---", text == "...", strings.HasPrefix(text, "#"), strings.HasPrefix(line, "%"):
		default:
			return false
		}
	}
	return true
}

// index remembers the parent of every node, and which nodes aliases refer to.
func (d *Document) index(n *yaml.Node) {
	for _, child := range n.Content {
		d.parents[child] = n
		if child.Kind == yaml.AliasNode {
			d.aliased[child.Alias] = true
			continue
		}
		d.index(child)
	}
}

// badKey returns an error if a key stands twice in a mapping, because programs do not
// agree which of them holds, or if it is no text, which no manifest has.
func (d *Document) badKey() (err error) {
	d.Walk(func(n *yaml.Node) {
		if n.Kind != yaml.MappingNode || err != nil {
			return
		}
		seen := map[string]bool{}
		for i := 0; i < len(n.Content); i += 2 {
			key := n.Content[i]
			if key.Kind == yaml.MappingNode || key.Kind == yaml.SequenceNode { // such as {{ .Values.name }}
				err = fmt.Errorf("a key is no text (line %d)", d.LineOf(key))
				return
			}
			if key.Kind == yaml.ScalarNode && seen[key.Value] {
				err = fmt.Errorf("the key %q stands twice in one mapping (line %d)", key.Value, d.LineOf(key))
				return
			}
			seen[key.Value] = seen[key.Value] || key.Kind == yaml.ScalarNode
		}
	})
	return err
}

// Line returns the line of the file on which the document begins.
func (d *Document) Line() int { return d.line }

// LineOf returns the line of the file on which a node stands.
func (d *Document) LineOf(n *yaml.Node) int {
	first := d.line + strings.Count(d.separator, "\n")
	return first + max(n.Line, 1) - 1
}

// Text returns the document as it was read.
func (d *Document) Text() string { return d.separator + d.body }

// IsJSON reports whether the document is a JSON object or array.
func (d *Document) IsJSON() bool {
	text := strings.TrimLeft(strings.TrimPrefix(d.body, "\ufeff"), jsonSpace)
	return text != "" && strings.ContainsAny(text[:1], "{[")
}

// Shared reports whether a node, or what it stands in, is used in other places of the
// document by aliases, so that a change of it would change those, too.
func (d *Document) Shared(n *yaml.Node) bool {
	for ; n != nil; n = d.parents[n] {
		if d.aliased[n] {
			return true
		}
	}
	return false
}

// Omit leaves the document out of what is written, because it is no manifest.
func (d *Document) Omit() { d.omitted = true }

// Path returns the keys that lead to a node, and numbers of items as "[1]". Of a key
// the last element is that key.
func (d *Document) Path(n *yaml.Node) (path []string) {
	for parent := d.parents[n]; parent != nil; n, parent = parent, d.parents[parent] {
		i := slices.Index(parent.Content, n)
		switch {
		case parent.Kind != yaml.MappingNode:
			path = append(path, fmt.Sprintf("[%d]", i))
		case i%2 == 0:
			path = append(path, n.Value)
		default:
			path = append(path, parent.Content[i-1].Value)
		}
	}
	slices.Reverse(path)
	return path
}

package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/kyaml/yaml"
)

// rendered returns the text of the document without its separator. Changes are made in
// its text where that means the same as the changed tree, which is compared; otherwise
// the tree is encoded anew, with its comments. A document that even that would
// falsify is returned unchanged, and Err is set.
func (d *Document) rendered() string {
	if !d.changes.made {
		return d.body
	}
	if d.output == nil {
		output := d.render()
		d.output = &output
	}
	return *d.output
}

// Render makes the changes final and returns an error if they cannot be written.
func (d *Document) Render() error {
	d.rendered()
	return d.Err
}

func (d *Document) render() string {
	if patched, possible := d.patched(); possible && d.means(patched) {
		return patched
	}
	if encoded, err := d.encoded(); err == nil && d.means(encoded) {
		return encoded
	}
	d.Err = errors.New("it cannot be changed without changing what else it says: change it by hand")
	return d.body
}

func (d *Document) means(text string) bool {
	root, err := parse(text)
	return err == nil && root != nil && same(root, d.Root)
}

// same reports whether two trees have the same meaning and the same anchors.
func same(a, b *yaml.Node) bool {
	if a.Kind != b.Kind || a.Value != b.Value || a.Anchor != b.Anchor || a.ShortTag() != b.ShortTag() || len(a.Content) != len(b.Content) {
		return false
	}
	for i := range a.Content {
		if !same(a.Content[i], b.Content[i]) {
			return false
		}
	}
	return true
}

// patched returns the text with all patches, if there is one for each change.
func (d *Document) patched() (string, bool) {
	patches := slices.Clone(d.changes.patches)
	slices.SortStableFunc(patches, func(a, b patch) int { return a.start - b.start })
	var out strings.Builder
	at := 0
	for _, p := range patches {
		if d.changes.untextual || p.start < at || p.end < p.start || p.end > len(d.body) {
			return "", false
		}
		out.WriteString(d.body[at:p.start] + p.text)
		at = p.end
	}
	out.WriteString(d.body[at:])
	return out.String(), !d.changes.untextual
}

// encoded returns the tree as text in the style that the document has.
func (d *Document) encoded() (string, error) {
	var out bytes.Buffer
	style := yaml.SequenceIndentStyle(yaml.DeriveSeqIndentStyle(d.body))
	encoder := yaml.NewEncoderWithOptions(&out, &yaml.EncoderOptions{SeqIndent: style})
	if err := encoder.Encode(d.Root); err != nil {
		return "", err
	}
	if err := encoder.Close(); err != nil {
		return "", err
	}
	encoded := out.String()
	if d.IsJSON() {
		encoded = indentJSON(encoded, d.body)
	}
	return strings.ReplaceAll(encoded, "\n", d.text().eol), nil
}

// indentJSON indents JSON as another JSON text is, if that has several lines.
func indentJSON(encoded, like string) string {
	_, rest, several := strings.Cut(strings.TrimSpace(like), "\n")
	var out bytes.Buffer
	indent := rest[:len(rest)-len(strings.TrimLeft(rest, " \t"))]
	if !several || json.Indent(&out, []byte(encoded), "", indent) != nil {
		return encoded
	}
	return out.String()
}

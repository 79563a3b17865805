package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"
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
	if strings.Contains(d.body, "\r\n") {
		return strings.ReplaceAll(out.String(), "\n", "\r\n"), nil
	}
	return out.String(), nil
}

func scalar(value string, quoted bool) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value, Style: styleOf(value, quoted)}
}

func styleOf(value string, quoted bool) yaml.Style {
	if quoted || quote(value) != value {
		return yaml.DoubleQuotedStyle
	}
	return 0
}

var (
	plain    = regexp.MustCompile(`^[A-Za-z](?:[\w./+=,@-]|:[\w./+=,@:-])*$`)
	reserved = regexp.MustCompile(`^(?i:y|n|yes|no|on|off|true|false|null)$`)
)

// quote returns a string as YAML, plain where every parser reads a string.
func quote(value string) string {
	if plain.MatchString(value) && !strings.HasSuffix(value, ":") && !reserved.MatchString(value) {
		return value
	}
	return doubleQuoted(value)
}

// doubleQuoted returns a string as JSON, which is YAML as well.
func doubleQuoted(value string) string {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(value) // strings always encode
	return strings.TrimSuffix(out.String(), "\n")
}

package manifest

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"

	"sigs.k8s.io/kustomize/kyaml/yaml"
)

// Scalar returns a node for a string of a new object. The encoder knows YAML 1.2 alone,
// in which "on" and "yes" need no quotes, but kubectl reads those as booleans.
func Scalar(value string) *yaml.Node { return scalar(value, quote(value)) }

// scalar returns a node for a string.
func (d *Document) scalar(value string) *yaml.Node { return scalar(value, d.quote(value)) }

// scalar returns a node for a string that is written as the given text.
func scalar(value, text string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value}
	switch {
	case strings.HasPrefix(text, `"`):
		n.Style = yaml.DoubleQuotedStyle
	case strings.HasPrefix(text, "'"):
		n.Style = yaml.SingleQuotedStyle
	}
	return n
}

// quote returns a string as a document has it: as JSON in a JSON document.
func (d *Document) quote(value string) string {
	if d.IsJSON() {
		return doubleQuoted(value)
	}
	return quote(value)
}

var (
	// plain are strings that need no quotes, neither in block nor in flow style.
	plain    = regexp.MustCompile(`^[A-Za-z](?:[\w./+=@-]|:[\w./+=@:-])*$`)
	reserved = regexp.MustCompile(`^(?i:y|n|yes|no|on|off|true|false|null)$`)
	// singleQuoted are strings that are easier to read in single quotes.
	singleQuoted = regexp.MustCompile(`^[ !-&(-~]*"[ !-&(-~]*$`)
)

// quote returns a string as YAML, plain where every parser reads a string.
func quote(value string) string {
	switch {
	case plain.MatchString(value) && !strings.HasSuffix(value, ":") && !reserved.MatchString(value):
		return value
	case singleQuoted.MatchString(value):
		return "'" + value + "'"
	default:
		return doubleQuoted(value)
	}
}

// doubleQuoted returns a string as JSON, which is YAML as well.
func doubleQuoted(value string) string {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(value) // strings always encode
	return strings.TrimSuffix(out.String(), "\n")
}

package command

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/printers"
)

// OutputVersion is the apiVersion of what commands print as JSON or YAML. Fields may be
// added to it, and none is removed or changes its meaning.
const OutputVersion = "kube-aws-iam-controller/v1"

// A List is what a command prints as JSON or YAML.
type List[T any] struct {
	metav1.TypeMeta `json:",inline"`

	Items []T `json:"items"`
}

// NewList returns a List of a kind.
func NewList[T any](kind string, items []T) *List[T] {
	if items == nil {
		items = []T{} // never null
	}
	return &List[T]{TypeMeta: metav1.TypeMeta{APIVersion: OutputVersion, Kind: kind}, Items: items}
}

// DeepCopyObject implements runtime.Object. Items are copied one level deep, which is
// enough for printers.
func (l *List[T]) DeepCopyObject() runtime.Object {
	c := *l
	c.Items = slices.Clone(l.Items)
	return &c
}

// StructuredPrinter returns the printer for the flag --output, nil for one of the formats
// of text, which the command prints itself. "" is always one of those.
func StructuredPrinter(format string, text ...string) (printers.ResourcePrinter, error) {
	if format == "" || slices.Contains(text, format) {
		return nil, nil //nolint:nilnil // no printer is an answer, not a failure
	}
	printer, err := genericclioptions.NewJSONYamlPrintFlags().ToPrinter(format)
	if genericclioptions.IsNoCompatiblePrinterError(err) {
		return nil, fmt.Errorf("--output=%s: give one of %s", format, strings.Join(append(text, "json", "yaml"), ", "))
	}
	return printer, err
}

package status

import (
	"fmt"
	"io"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/printers"

	"kube-aws-iam-controller/internal/cli/command"
)

// nameFormat is the output format of names alone.
const nameFormat = "name"

// listKind is the kind of the list that is printed as JSON or YAML.
const listKind = "IdentityList"

// output prints identities.
type output struct {
	to io.Writer
	// structured is nil for a table.
	structured printers.ResourcePrinter
	// names prints kind/name, as kubectl does, in place of a table.
	names bool
	table *table
}

// show prints all identities. A table of none has no header.
func (o *output) show(all []Identity, now time.Time) error {
	if o.structured != nil {
		return o.structured.PrintObj(command.NewList(listKind, all), o.to)
	}
	return o.text(all, now)
}

func (o *output) text(all []Identity, now time.Time) error {
	switch {
	case len(all) == 0:
		return nil
	case !o.names:
		return o.table.write(all, now)
	}
	for i := range all {
		if _, err := fmt.Fprintln(o.to, all[i].object()); err != nil {
			return err
		}
	}
	return nil
}

// change prints identities that changed, as JSON or YAML one object for each.
func (o *output) change(differ []Identity, now time.Time) error {
	if o.structured == nil {
		return o.text(differ, now)
	}
	for _, i := range differ {
		object := &changed{TypeMeta: metav1.TypeMeta{APIVersion: command.OutputVersion, Kind: "IdentityChange"}, Identity: i}
		if err := o.structured.PrintObj(object, o.to); err != nil {
			return err
		}
	}
	return nil
}

// changed is an identity that a watch prints.
type changed struct {
	metav1.TypeMeta `json:",inline"`

	Identity Identity `json:"identity"`
}

// DeepCopyObject implements runtime.Object.
func (c *changed) DeepCopyObject() runtime.Object {
	copied := *c
	return &copied
}

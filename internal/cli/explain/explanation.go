package explain

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"kube-aws-iam-controller/internal/cli/command"
	"kube-aws-iam-controller/internal/cli/explain/chain"
	"kube-aws-iam-controller/internal/cli/finding"
)

// An explanation is what the command prints.
type explanation struct {
	metav1.TypeMeta `json:",inline"`

	Namespace string `json:"namespace"`
	// Object is kind/name.
	Object string `json:"object"`
	// State is that of the worst finding: ok, broken or unknown.
	State finding.State `json:"state"`
	// FirstBroken is the link that breaks the chain.
	FirstBroken *finding.Finding  `json:"firstBroken,omitempty"`
	Findings    []finding.Finding `json:"findings"`
}

func newExplanation(namespace string, what reference, findings []finding.Finding) *explanation {
	e := &explanation{
		TypeMeta:  metav1.TypeMeta{APIVersion: command.OutputVersion, Kind: "Explanation"},
		Namespace: namespace, Object: what.String(), State: finding.OK,
		FirstBroken: chain.FirstBroken(findings), Findings: findings,
	}
	switch {
	case e.FirstBroken != nil:
		e.State = finding.Broken
	case slices.ContainsFunc(findings, func(f finding.Finding) bool { return f.State == finding.Unknown }):
		e.State = finding.Unknown
	}
	return e
}

// DeepCopyObject implements runtime.Object.
func (e *explanation) DeepCopyObject() runtime.Object {
	c := *e
	c.Findings = slices.Clone(e.Findings)
	return &c
}

// print writes a line for each finding, what to do about it below, and the conclusion.
func (e *explanation) print(out io.Writer) error {
	painter := command.NewPainter(out)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, f := range e.Findings {
		fmt.Fprintf(table, "%s\t%s\t%s\n", painter.Paint(finding.Colors[f.State], string(f.State)), f.Check, command.Escape(f.Message))
		if f.Remedy != "" && f.State != finding.Broken {
			fmt.Fprintf(table, "%s\t\t-> %s\n", painter.Paint(command.Plain, ""), command.Escape(f.Remedy))
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprint(out, "\n", e.conclusion())
	return err
}

// conclusion returns what follows from the findings, as sentences.
func (e *explanation) conclusion() string {
	switch e.State {
	case finding.Broken:
		return fmt.Sprintf("%s in %s: the first broken link is %s: %s\n\nTo fix it: %s\n",
			e.Object, e.Namespace, e.FirstBroken.Check, command.Escape(e.FirstBroken.Message), command.Escape(e.FirstBroken.Remedy))
	case finding.Unknown:
		return fmt.Sprintf("%s in %s: no problem found in what you are allowed to see\n", e.Object, e.Namespace)
	default:
		return fmt.Sprintf("%s in %s: no problem found\n", e.Object, e.Namespace)
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
)

// A step does one thing and returns what it has seen of it.
type step struct {
	title string
	// claim is what the step shows; empty for a step that only prepares others.
	claim string
	do    func(context.Context) (evidence string, err error)
}

// A notShownError is why a cluster cannot show something. It is not a failure.
type notShownError string

func (n notShownError) Error() string { return string(n) }

// steps is the demo from its beginning to its end.
func (d *demo) steps() []step {
	return []step{
		{"Get a Kubernetes cluster", "", d.useCluster},
		{"Start simulated AWS, with the IAM roles that the examples name", "", d.startAWS},
		{
			"Install the controller, the admission policy and the guard as examples/install does, and run the controller",
			"It runs with the rights it ships with", d.install,
		},
		{"A ServiceAccount with the annotation role: examples/serviceaccount.yaml", "A role in an annotation becomes a Secret", d.requestRole},
		{
			"A ServiceAccount with the annotation role-policy: examples/serviceaccount-with-policy.yaml",
			"A policy in an annotation becomes a managed role", d.requestManagedRole,
		},
		{"An AWSIAMRole: examples/awsiamrole.yaml", "An AWSIAMRole becomes a Secret", d.requestAWSIAMRole},
		{"A pod that sets nothing but serviceAccountName", "Pods get their credentials from admission", d.admitPod},
		{"A pod that mounts the Secret of another ServiceAccount", "The guard refuses what is another's", d.refuseForeignSecret},
		{"Another namespace asks for the same role", "A role serves the namespace that it trusts", d.refuseStranger},
		{"Programs use their credentials: the AWS SDK calls GetCallerIdentity", "The AWS SDK works with them", d.useCredentials},
		{"All examples for tenants", "Every example works", d.applyExamples},
		{"An annotation with a mistake in it", "A mistake is explained, and can be mended", d.mendMistake},
		{"The policy in the annotation changes", "A managed role follows its annotation", d.changePolicy},
		{"Somebody adds a policy to the managed role by hand, to be corrected later on", "", d.tamper},
		{"Sessions run out while a program works", "Credentials are renewed in time", d.outliveSessions},
		{"What was done to the managed role by hand is corrected", "A managed role is what its annotation says", d.awaitCorrection},
		{"Search for the credentials that were issued", "Credentials are in Secrets only", d.searchLeaks},
		{"Take the requests back", "Nothing is left of what is not asked for", d.cleanUp},
	}
}

// shown is a line of the table at the end.
type shown struct{ claim, evidence string }

// show goes through all steps, up to the first that fails.
func (d *demo) show(ctx context.Context) error {
	var table []shown
	for _, s := range d.steps() {
		d.say.step(s.title)
		evidence, err := s.do(ctx)
		var not notShownError
		switch {
		case errors.As(err, &not):
			evidence = "not shown: " + string(not)
			d.say.note("%s", evidence)
		case err != nil:
			return fmt.Errorf("step %d, %s: %w", d.say.steps, s.title, err)
		}
		if s.claim != "" {
			table = append(table, shown{s.claim, evidence})
		}
	}
	d.say.line("\nWhat was shown in %.0f s:\n%s", d.say.elapsed().Seconds(), render(table))
	return d.silent()
}

// render aligns the table.
func render(table []shown) string {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, row := range table {
		fmt.Fprintf(w, "  %s\t%s\n", row.claim, row.evidence)
	}
	_ = w.Flush() // a builder takes everything
	return strings.TrimRight(text.String(), "\n")
}

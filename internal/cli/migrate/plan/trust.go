package plan

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"kube-aws-iam-controller/internal/trust"
)

// unknownPrincipal stands in statements for a principal that is not known.
const unknownPrincipal = "THE-CONTROLLERS-ROLE-ARN"

// writeTrust writes the statements that each role needs besides those that it has.
func writeTrust(out *strings.Builder, in Input) error {
	out.WriteString("\n1. Trust. Add these statements to the trust policy of each role. The old ones stay, so that old and new pods both have credentials.\n")
	principal := in.Principal
	if principal == "" {
		principal = unknownPrincipal
		fmt.Fprintf(out, "   %s stands for the controller's own role: give it with --controller-role-arn.\n", principal)
	}
	if in.ClusterName == "" {
		out.WriteString("   The external IDs are those of a controller without --cluster-name: give the name if it has one.\n")
	}
	out.WriteString("   They allow the ServiceAccounts that are named, and no others of their namespaces: for those add what \"kubectl aws-iam trust-policy NAMESPACE SERVICEACCOUNT\" prints.\n")
	for _, role := range rolesOf(in.Result) {
		if err := writeRole(out, role, principal, in); err != nil {
			return err
		}
	}
	out.WriteString("\n   Back: take the statements out again. Nothing uses them yet.\n")
	return nil
}

// writeRole writes the statements of one role.
func writeRole(out *strings.Builder, r *role, principal string, in Input) error {
	statements, err := statementsFor(r.namespaces, principal, in)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\n   %s, for %s:\n", r.name, strings.Join(r.users, ", "))
	for line := range strings.Lines(statements) {
		out.WriteString("   " + line)
	}
	out.WriteString("\n")
	if len(r.unknown) > 0 {
		fmt.Fprintf(out, "   The session name of AWSIAMRole %s is not known without --base-role-arn: the old statements have to stay as long as it exists.\n", strings.Join(r.unknown, ", "))
	}
	return nil
}

// statementsFor returns the statements of the trust policies for namespaces, each once,
// as an indented JSON array. They name sessions, although a whole namespace could use
// most of these roles before: their users are known now, and others can be added.
func statementsFor(namespaces []*namespace, principal string, in Input) (string, error) {
	var all []json.RawMessage
	for _, n := range namespaces {
		text, err := trust.SharedPolicy(principal, trust.ExternalID(n.name, in.ClusterName), n.sessions, in.Passed...)
		if err != nil {
			return "", err
		}
		var policy struct {
			Statement []json.RawMessage `json:"Statement"`
		}
		if err = json.Unmarshal([]byte(text), &policy); err != nil {
			return "", fmt.Errorf("read trust policy: %w", err)
		}
		for _, statement := range policy.Statement {
			if !slices.ContainsFunc(all, func(s json.RawMessage) bool { return string(s) == string(statement) }) {
				all = append(all, statement)
			}
		}
	}
	indented, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return "", fmt.Errorf("write statements: %w", err)
	}
	return string(indented), nil
}

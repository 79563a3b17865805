package plan

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"kube-aws-iam-controller/internal/cli/migrate/convert"
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
	for _, role := range rolesOf(in.Result.Accounts) {
		statements, err := statementsFor(role.namespaces, principal, in)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "\n   %s, for %s:\n", role.name, strings.Join(role.users, ", "))
		for line := range strings.Lines(statements) {
			out.WriteString("   " + line)
		}
		out.WriteString("\n")
	}
	out.WriteString("\n   Back: take the statements out again. Nothing uses them yet.\n")
	return nil
}

// A role is a role and who uses it.
type role struct {
	name              string
	namespaces, users []string
}

func rolesOf(accounts []*convert.Account) (all []*role) {
	for _, a := range accounts {
		i := slices.IndexFunc(all, func(r *role) bool { return r.name == a.Role.String() })
		if i < 0 {
			i = len(all)
			all = append(all, &role{name: a.Role.String()})
		}
		all[i].users = append(all[i].users, a.Namespace+"/"+a.Name)
		if !slices.Contains(all[i].namespaces, a.Namespace) {
			all[i].namespaces = append(all[i].namespaces, a.Namespace)
		}
	}
	slices.SortFunc(all, func(a, b *role) int { return strings.Compare(a.name, b.name) })
	return all
}

// statementsFor returns the statements of the trust policies for namespaces, each once,
// as an indented JSON array.
func statementsFor(namespaces []string, principal string, in Input) (string, error) {
	var all []json.RawMessage
	for _, namespace := range namespaces {
		text, err := trust.Policy(principal, trust.ExternalID(namespace, in.ClusterName), "", in.Passed...)
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

package identity

import (
	"fmt"
	"strings"
)

// How much of a policy its summary names.
const (
	maxSummaryStatements = 3
	maxSummaryActions    = 4
)

// PolicySummary returns in one short line what the statements of a policy are about, and
// whether any of them allows something. The policy is one that ParsePolicy or
// ParseSessionPolicy returned; of any other nothing is said.
func PolicySummary(policy string) (summary string, allows bool) {
	parsed, err := readPolicy(policy, SessionPolicy) // which any identity policy is, too
	if err != nil {
		return "", false
	}
	elements, _ := parsed.elements("policy", policyElements)
	statements, _ := statementsOf(elements["Statement"])
	var parts []string
	for _, v := range statements {
		elements, _ := v.elements("statement", statementElements)
		allows = allows || elements["Effect"].text == "Allow"
		if len(parts) < maxSummaryStatements {
			parts = append(parts, summarizeStatement(elements))
		}
	}
	if more := len(statements) - len(parts); more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", more))
	}
	noun := "statements"
	if len(statements) == 1 {
		noun = "statement"
	}
	return fmt.Sprintf("%d %s: %s", len(statements), noun, strings.Join(parts, "; ")), allows
}

// summarizeStatement returns effect and actions of a statement.
func summarizeStatement(elements map[string]jsonValue) string {
	actions, but := elements["Action"].strings(), ""
	if others := elements["NotAction"].strings(); len(others) > 0 {
		actions, but = others, "all but "
	}
	more := ""
	if n := len(actions) - maxSummaryActions; n > 0 {
		actions, more = actions[:maxSummaryActions], fmt.Sprintf(" and %d more", n)
	}
	named := make([]string, 0, len(actions))
	for _, action := range actions {
		named = append(named, Cut(action)) // which escapes what may disturb a terminal
	}
	condition := ""
	if len(elements["Condition"].members) > 0 {
		condition = " under a condition"
	}
	return elements["Effect"].text + " " + but + strings.Join(named, ", ") + more + condition
}

package e2e

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A plan is what "kubectl aws-iam migrate" plans, by the number of the step.
type plan map[string]string

func readPlan(t *testing.T, text string) plan {
	t.Helper()
	steps := plan{}
	for _, step := range regexp.MustCompile(`(?m)^\d\. `).FindAllStringIndex(text, -1) {
		number, rest := text[step[0]:step[0]+1], text[step[1]:]
		if next := regexp.MustCompile(`\n\S`).FindStringIndex(rest); next != nil {
			rest = rest[:next[0]+1]
		}
		steps[number] = rest
	}
	require.Len(t, steps, 5, text)
	require.NotContains(t, text, "NOT CONVERTED")
	return steps
}

// trust returns the statements to add to each role.
func (p plan) trust(t *testing.T) map[string][]json.RawMessage {
	t.Helper()
	found := map[string][]json.RawMessage{}
	for _, match := range regexp.MustCompile(`(?ms)^   (\S+), for [^\n]+:\n(   \[\n.*?^   \])\n`).FindAllStringSubmatch(p["1"], -1) {
		var statements []json.RawMessage
		require.NoError(t, json.Unmarshal([]byte(match[2]), &statements))
		found[match[1]] = statements
	}
	return found
}

// A task is a line of a step: a command of kubectl without that word, or that an object is to be applied.
type task struct {
	command []string
	apply   string // KIND/NAME
	asItWas bool
}

// tasks returns what a step says is to be done, or how to go back.
func (p plan) tasks(number string, back bool) (all []task) {
	for line := range strings.Lines(p[number]) {
		line, _, _ = strings.Cut(strings.TrimSpace(line), " # ")
		if strings.HasPrefix(line, "Back: ") != back {
			continue
		}
		_, command, has := strings.Cut(line, "kubectl -n ")
		switch {
		case has:
			all = append(all, task{command: append([]string{"-n"}, strings.Fields(command)...)})
		case strings.HasSuffix(line, ": apply it"):
			all = append(all, task{apply: strings.Fields(line)[0]})
		case strings.HasPrefix(line, "Back: apply it as it was"):
			all = append(all, task{apply: p.tasks(number, false)[0].apply, asItWas: true})
		}
	}
	return all
}

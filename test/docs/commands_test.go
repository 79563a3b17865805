package docs

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A command is what a reader pastes into a shell, of one line or more.
type command struct {
	page string
	line int
	text string
}

func (c command) String() string { return fmt.Sprintf("%s:%d: %s", c.page, c.line, c.text) }

// commands returns those of a page's blocks of shell, and of the console, where they follow a prompt.
func (p page) commands(t *testing.T) (all []command) {
	t.Helper()
	for _, b := range p.blocks(t) {
		switch b.language {
		case "sh":
			all = append(all, split(b, b.lines)...)
		case "console":
			all = append(all, split(b, prompted(b.lines))...)
		case "", "bash", "shell":
			assert.NotRegexp(t, `(?m)^(\$ |kubectl|make|aws) `, b.text(), "%s:%d: commands are in a block of sh or console, or nobody tries them", b.page, b.line)
		}
	}
	return all
}

// prompted returns what follows a prompt. Other lines are output, and left empty so that lines keep their numbers.
func prompted(lines []string) []string {
	kept, goesOn := make([]string, len(lines)), false
	for i, line := range lines {
		text, isPrompt := strings.CutPrefix(line, "$ ")
		if isPrompt || goesOn {
			kept[i], goesOn = text, strings.HasSuffix(text, `\`)
		}
	}
	return kept
}

// split takes lines together until they are whole commands.
func split(b block, lines []string) (all []command) {
	var text string
	for i, line := range lines {
		if text == "" && (strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#")) {
			continue
		}
		text += line
		if !strings.HasSuffix(line, `\`) && exec.Command("sh", "-n", "-c", text).Run() == nil {
			all = append(all, command{page: b.page, line: b.line + i, text: text})
			text = ""
			continue
		}
		text += "\n"
	}
	if text != "" {
		all = append(all, command{page: b.page, line: b.line + len(lines), text: text})
	}
	return all
}

// order puts first what a reader does first, and last what takes away what others need.
func order(all []page) {
	rank := map[string]int{"README.md": -2, "docs/install.md": -1, "docs/operations.md": 1}
	slices.SortStableFunc(all, func(a, b page) int { return rank[a.name] - rank[b.name] })
}

// answers are what some commands have to print, by how they begin: that they succeed says little of these.
var answers = map[string]string{
	"bin/kube-aws-iam-controller trust-policy":              `"sts:ExternalId": "demo/demo-cluster"`,
	"kubectl kustomize examples/install":                    `kind: MutatingAdmissionPolicy`,
	"kubectl describe serviceaccount app":                   `CreateCredentials`,
	"kubectl get lease":                                     `\S`,
	"kubectl get mutatingadmissionpolicies":                 `kube-aws-iam-controller`,
	"kubectl aws-iam version":                               `kubectl aws-iam unknown`,
	"kubectl aws-iam status --namespace demo":               `serviceaccount/app +demo-app +ready`,
	"kubectl aws-iam status --all-namespaces --output json": `"kind": "IdentityList"`,
	"kubectl aws-iam check":                                 `installer|kube-system/kube-aws-iam-controller`,
	"kubectl aws-iam explain":                               `app asks for the role `,
	"kubectl get --raw /.well-known":                        `"issuer"`,
	"kubectl get --raw /openid":                             `"keys"`,
	"kubectl get secrets --all-namespaces":                  `demo +app\.aws-iam +arn:aws:iam::123456789012:role/demo-app +20`,
	"kubectl diff":                                          `(?s).*`,

	"kubectl get serviceaccounts --all-namespaces -o jsonpath='{range .items[?(@.metadata.finalizers":  `(?m)^demo reader$`,
	"kubectl get serviceaccounts --all-namespaces -o jsonpath='{range .items[?(@.metadata.annotations": `(?m)^demo external-dns arn:aws:iam::123456789012:role/external-dns$`,
}

// endings are codes other than 0 with which a command may end: kubectl diff says so that there is a difference, and
// explain and check that no replica is ready, which no node runs.
var endings = map[string]int{"kubectl diff": 1, "kubectl aws-iam explain": 1, "kubectl aws-iam check": 1}

func TestCommandsDoWhatTheDocumentsSay(t *testing.T) {
	all := pages(t)
	order(all)
	w := newWorld(t)
	begun, ran := time.Now(), map[string]bool{}
	for _, p := range all {
		if p.name == "CONTRIBUTING.md" || p.name == "CHANGELOG.md" {
			continue // for those who change the code: the Makefile is tried by using it
		}
		if prepare := before[p.name]; prepare != nil {
			prepare(w)
		}
		for _, c := range p.commands(t) {
			if strings.HasPrefix(c.text, "kubectl create ") && ran[c.text] {
				continue // as another page has it, too
			}
			ran[c.text] = true
			if !t.Run(fmt.Sprintf("%s:%d", c.page, c.line), func(t *testing.T) { w.try(t, c) }) {
				t.Fatalf("what follows stands on this: %s", c)
			}
		}
	}
	require.GreaterOrEqual(t, len(ran), 60)
	t.Logf("%d commands in %s", len(ran), time.Since(begun).Round(time.Second))
	for _, each := range exceptions {
		used := slices.ContainsFunc(sorted(ran), each.matches)
		assert.True(t, used, "no command needs the exception %s", each.pattern)
	}
	for beginning := range answers {
		used := slices.ContainsFunc(sorted(ran), func(text string) bool { return strings.HasPrefix(text, beginning) })
		assert.True(t, used, "no command gives the answer of %s", beginning)
	}
}

func sorted(set map[string]bool) (keys []string) {
	for key := range set {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// try runs a command, or checks what the table of exceptions says in its place.
func (w *world) try(t *testing.T, c command) {
	t.Helper()
	for _, each := range exceptions {
		if each.matches(c.text) {
			require.NotEmpty(t, each.because)
			each.instead(t, w, c)
			return
		}
	}
	out, code := w.run(t, c.text)
	want := 0
	for beginning, may := range endings {
		if strings.HasPrefix(c.text, beginning) && code == may {
			want = may
		}
	}
	require.Equal(t, want, code, "%s\n%s", c, out)
	for beginning, pattern := range answers {
		if strings.HasPrefix(c.text, beginning) {
			assert.Regexp(t, pattern, out, c.String())
		}
	}
}

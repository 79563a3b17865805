package status

import (
	"fmt"
	"io"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/cli-runtime/pkg/printers"

	"kube-aws-iam-controller/internal/cli/command"
	"kube-aws-iam-controller/internal/identity"
)

// maxError is the maximum length of an error in a table that is not wide, in characters.
const maxError = 80

// A table prints identities in columns, whose widths it remembers.
type table struct {
	painter command.Painter
	// namespaces adds the column of namespaces.
	namespaces, wide bool
	begun            bool
	columns          interface {
		io.Writer
		Flush() error
	}
}

func newTable(out io.Writer, namespaces, wide bool) *table {
	return &table{painter: command.NewPainter(out), namespaces: namespaces, wide: wide, columns: printers.GetNewTabWriter(out)}
}

var colors = map[State]command.Color{
	Expired: command.Red, Conflict: command.Red, Refused: command.Red, Waiting: command.Red,
	Edited: command.Yellow, Stale: command.Yellow, Expiring: command.Yellow, Unknown: command.Yellow,
	Ready: command.Green, Removed: command.Plain,
}

// write adds rows for identities.
func (t *table) write(all []Identity, now time.Time) error {
	if !t.begun {
		t.row("NAMESPACE", []string{"IDENTITY", "ROLE", t.painter.Paint(command.Plain, "STATE"), "TIME LEFT", "LAST USED", "LAST ERROR"},
			[]string{"SECRET", "EXPIRATION", "EXTERNAL ID"})
		t.begun = true
	}
	for i := range all {
		t.identity(&all[i], now)
	}
	return t.columns.Flush()
}

func (t *table) identity(i *Identity, now time.Time) {
	role, problem := shortRole(i), shorten(describe(i.LastError, now))
	if t.wide {
		role, problem = i.Role, describe(i.LastError, now)
	}
	expiration := ""
	if i.Expiration != nil {
		expiration = i.Expiration.UTC().Format(time.RFC3339)
	}
	t.row(i.Namespace,
		[]string{i.object(), command.Escape(role), t.painter.Paint(colors[i.State], string(i.State)), timeLeft(i.Expiration, now), lastUsed(i, now), command.Escape(problem)},
		[]string{i.Secret, expiration, command.Escape(i.ExternalID)})
}

// row writes the cells that are shown. Empty ones are a hyphen.
func (t *table) row(namespace string, cells, more []string) {
	if t.namespaces {
		cells = append([]string{namespace}, cells...)
	}
	if t.wide { // errors are the longest, and last
		last := len(cells) - 1
		cells = append(append(cells[:last:last], more...), cells[last])
	}
	for i, cell := range cells {
		if cell == "" {
			cells[i] = "-"
		}
	}
	fmt.Fprintln(t.columns, strings.Join(cells, "\t"))
}

// shortRole returns path and name of a role without its account, which is nearly always
// the same.
func shortRole(i *Identity) string {
	role, err := identity.ParseRole(i.Role)
	switch {
	case i.Role == "" && i.Managed:
		return "(managed)"
	case err != nil:
		return i.Role
	}
	return role.Path + role.Name
}

// timeLeft says when credentials expire, or expired, in words.
func timeLeft(expiration *metav1.Time, now time.Time) string {
	if expiration == nil {
		return ""
	}
	if left := expiration.Sub(now); left > 0 {
		return duration.HumanDuration(left)
	}
	return "expired " + duration.HumanDuration(now.Sub(expiration.Time)) + " ago"
}

// lastUsed says when a managed role was last used, in words.
func lastUsed(i *Identity, now time.Time) string {
	switch {
	case i.RoleUnused:
		return "never"
	case i.RoleLastUsed == nil:
		return ""
	}
	return duration.HumanDuration(max(now.Sub(i.RoleLastUsed.Time), 0)) + " ago"
}

// describe returns a problem in one line.
func describe(p *Problem, now time.Time) string {
	if p == nil {
		return ""
	}
	text := p.Reason
	if p.Time != nil {
		text += " (" + duration.HumanDuration(max(now.Sub(p.Time.Time), 0)) + " ago)"
	}
	return text + ": " + p.Message
}

func shorten(text string) string {
	if runes := []rune(text); len(runes) > maxError {
		return string(runes[:maxError-1]) + "…"
	}
	return text
}

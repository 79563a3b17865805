// Package plan writes how to carry out a migration: in waves, each of which can be
// undone, so that pods have credentials all the time.
package plan

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"kube-aws-iam-controller/internal/cli/migrate/convert"
)

// Input is what a plan is made of.
type Input struct {
	Result *convert.Result
	// Principal is the role of the controller, "" if it is not known.
	Principal string
	// ClusterName is the name of the cluster in external IDs.
	ClusterName string
	// Passed are further actions that roles have to allow, see trust.Policy.
	Passed []string
	// RemoveOld reports that what the pods had before was removed.
	RemoveOld bool
	// Region was given to the ServiceAccounts, "" for none.
	Region string
}

// Write writes the plan.
func Write(w io.Writer, in Input) error {
	var out strings.Builder
	moved := slices.DeleteFunc(slices.Clone(in.Result.Accounts), func(a *convert.Account) bool { return a.Done })
	slices.SortStableFunc(moved, func(a, b *convert.Account) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	fmt.Fprintf(&out, "Converted: %s, %s that use them.", counted(len(in.Result.Accounts), "ServiceAccount"), counted(workloads(in.Result.Accounts), "workload"))
	if len(in.Result.Accounts) == 0 {
		out.WriteString(" There is nothing to roll out.\n")
	} else {
		out.WriteString(" Do one step after the other, and look before the next.\n")
		if err := writeTrust(&out, in); err != nil {
			return err
		}
		writeAccounts(&out, in, moved)
		writeRollout(&out, in)
		writeRemoval(&out, in)
	}
	writeFindings(&out, "Notes:", in.Result.Findings, false)
	writeFindings(&out, "NOT CONVERTED, change it at its place:", in.Result.Findings, true)
	_, err := io.WriteString(w, out.String())
	return err
}

func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func workloads(accounts []*convert.Account) (n int) {
	for _, a := range accounts {
		n += len(a.Workloads)
	}
	return n
}

func writeFindings(out *strings.Builder, title string, findings []convert.Finding, open bool) {
	first := true
	for _, f := range findings {
		if f.Open != open {
			continue
		}
		if first {
			fmt.Fprintf(out, "\n%s\n", title)
			first = false
		}
		fmt.Fprintf(out, "  %s\n", f)
	}
}

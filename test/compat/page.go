// Package compat shows which releases of Kubernetes the controller works on: it builds the control plane of each, installs
// the chart on it, and writes what came out into docs/compatibility.md.
package compat

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/mod/semver"
)

// A Row is what came out on one release of Kubernetes.
type Row struct {
	// Release is such as 1.30.14, and Date the day of the run, such as 2026-11-29.
	Release, Date string
	// Admission is what admission.mode=auto installs: policy or webhook.
	Admission string
	// Manifests, Webhook, Policy, Guard, Sources and Takeover are yes, no, or not served.
	Manifests, Webhook, Policy, Guard, Sources, Takeover string
	// Dropped are the fields of the golden pods that the release does not keep.
	Dropped string
}

// What a check came out as.
const (
	yes       = "yes"
	no        = "**no**"
	notServed = "not served"
)

// cells are the fields in the order of the table.
func (r *Row) cells() []*string {
	return []*string{
		&r.Release, &r.Date, &r.Admission, &r.Manifests, &r.Webhook, &r.Policy, &r.Guard, &r.Sources, &r.Takeover, &r.Dropped,
	}
}

func (r *Row) minor() string { return semver.MajorMinor("v" + r.Release) }

const (
	head = `# Compatibility

Kubernetes 1.30 and every later release is supported. ` + "`make compat`" + ` builds the control plane of the newest patch of each minor
version from its source, with an earlier patch of those of Kubernetes' modules that the module proxy lacks, installs the Helm chart on
it as it is shipped, with ` + "`admission.mode=auto`" + ` and the guard, runs two replicas of the controller with simulated AWS, and writes
this page. A row is what one run showed, on the day that it names; a minor
version without a row has not been run.

`
	columns = "| Kubernetes | run on | `auto` chooses | manifests | pods by webhook | pods by policy | guard | sources | takeover | fields not kept |\n" +
		"| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n"
	foot = `
* **auto chooses**: the way of admission that the chart installs by default.
* **manifests**: the API server accepts ` + "`manifests/`" + `, with every component of its own, and the chart, and knows each field.
* **pods by webhook**, **pods by policy**: each pod of ` + "`internal/admission/testdata`" + ` becomes what is expected. The policy is a
  MutatingAdmissionPolicy v1, which an API server before 1.36 does not serve.
* **guard**: no pod can use the Secret of another ServiceAccount, in any way that a pod can refer to a Secret; nobody else can write
  the controller's Secrets, and the controller no others.
* **sources**: an annotated ServiceAccount and an AWSIAMRole get a Secret whose credentials work.
* **takeover**: when the leader is killed, the other replica takes over, and issues credentials.
* **fields not kept**: what this API server drops of those pods, because it does not know the field or has it switched off. They are
  compared without. Where it drops ` + "`spec.resources`" + `, pod-level resources have no effect, so give resources to containers.
`
)

// Page returns the page with a row in the place of that of the same minor version, and all its others.
func Page(before string, row Row) ([]byte, error) {
	rows, err := Rows(before)
	if err != nil {
		return nil, err
	}
	rows = append(slices.DeleteFunc(rows, func(r Row) bool { return r.minor() == row.minor() }), row)
	slices.SortFunc(rows, func(a, b Row) int { return semver.Compare("v"+b.Release, "v"+a.Release) })
	var text bytes.Buffer
	text.WriteString(head + columns)
	for i := range rows {
		for _, cell := range rows[i].cells() {
			text.WriteString("| " + *cell + " ")
		}
		text.WriteString("|\n")
	}
	text.WriteString(foot)
	return text.Bytes(), nil
}

// Rows reads the table of a page.
func Rows(page string) (rows []Row, err error) {
	for line := range strings.Lines(page) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		release := strings.TrimSpace(cells[0])
		if !strings.HasPrefix(line, "|") || !semver.IsValid("v"+release) {
			continue
		}
		var row Row
		fields := row.cells()
		if len(cells) != len(fields) {
			return nil, fmt.Errorf("the row of Kubernetes %s has %d cells, not %d", release, len(cells), len(fields))
		}
		for i, cell := range cells {
			*fields[i] = strings.TrimSpace(cell)
		}
		rows = append(rows, row)
	}
	return rows, nil
}

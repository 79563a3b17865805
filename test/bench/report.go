package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// row is one line of the table.
type row struct {
	measure, what, target string
	// measured is what came out in each run.
	measured []string
	// verdict says in which of them that was met.
	verdict string
	met     int
	// date is that of the last run.
	date string
}

// detail is a line below the table.
type detail struct{ measure, text string }

// report collects what was measured.
type report struct {
	rows    []*row
	details []detail
	// measure is the name of the measure that is being taken, and date the day.
	measure, date string
}

// add adds what a run measured, to the line of those before. What is met is decided by the caller, in the same unit as the
// target.
func (r *report) add(met bool, what, target, measured string, args ...any) {
	i := slices.IndexFunc(r.rows, func(row *row) bool { return row.what == what })
	if i < 0 {
		i = len(r.rows)
		r.rows = append(r.rows, &row{measure: r.measure, what: what, target: target})
	}
	line := r.rows[i]
	line.measured, line.date = append(line.measured, fmt.Sprintf(measured, args...)), r.date
	if met {
		line.met++
	}
	switch line.met {
	case len(line.measured):
		line.verdict = "met"
	case 0:
		line.verdict = "**missed**"
	default:
		line.verdict = fmt.Sprintf("met in %d of %d", line.met, len(line.measured))
	}
}

func (r *report) detail(format string, args ...any) {
	r.details = append(r.details, detail{r.measure, fmt.Sprintf(format, args...)})
}

const (
	columns = "| measure | what | target | measured | | on |\n| --- | --- | --- | --- | --- | --- |\n"
	perRun  = "<br>"
)

// markdown returns the page, with what an earlier one says of the measures that were not taken this time.
func (r *report) markdown(before string) string {
	taken := map[string]bool{}
	for _, row := range r.rows {
		taken[row.measure] = true
	}
	rows, details := parsePage(before)
	rows = append(slices.DeleteFunc(rows, func(row *row) bool { return taken[row.measure] }), r.rows...)
	details = append(slices.DeleteFunc(details, func(d detail) bool { return taken[d.measure] }), r.details...)
	slices.SortStableFunc(rows, func(a, b *row) int { return position(a.measure) - position(b.measure) })
	slices.SortStableFunc(details, func(a, b detail) int { return position(a.measure) - position(b.measure) })

	var b strings.Builder
	fmt.Fprintf(&b, `# Benchmarks

Written by `+"`make bench`"+`, last on %d cores (%s/%s, %s%s), which etcd, the API server, the controller manager, simulated AWS and the
controller share. The bare loop makes the same STS calls and Secret writes with the same number of workers, with the same SDK and client,
in the same run. Where a line has several figures, each is of a run of its own, on a control plane of its own.
`+"`make bench ONLY=memory,single`"+` takes some of the measures, and replaces their lines.

`, runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version(), cpu())
	b.WriteString(columns)
	for _, row := range rows {
		cells := []string{row.measure, row.what, row.target, strings.Join(row.measured, perRun), row.verdict, row.date}
		fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | "))
	}
	for _, d := range details {
		fmt.Fprintf(&b, "\n* %s: %s", d.measure, d.text)
	}
	return b.String() + "\n"
}

// parsePage returns the lines of a page of measures that there still are.
func parsePage(page string) (rows []*row, details []detail) {
	for line := range strings.Lines(page) {
		line = strings.TrimSpace(line)
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if len(cells) == 6 && position(cells[0]) >= 0 {
			rows = append(rows, &row{
				measure: cells[0], what: cells[1], target: cells[2], measured: strings.Split(cells[3], perRun), verdict: cells[4], date: cells[5],
			})
		}
		if name, text, is := strings.Cut(strings.TrimPrefix(line, "* "), ": "); is && strings.HasPrefix(line, "* ") && position(name) >= 0 {
			details = append(details, detail{name, text})
		}
	}
	return rows, details
}

// position is that of a measure among all, -1 if there is none of that name.
func position(name string) int {
	return slices.IndexFunc(measures, func(m measure) bool { return m.name == name })
}

// today is the date of a line.
func today() string { return time.Now().UTC().Format(time.DateOnly) }

// cpu names the processor, where Linux tells.
func cpu() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if key, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(key) == "model name" {
			return ", " + strings.TrimSpace(value)
		}
	}
	return ""
}

package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// row is one line of the table, with what came out in each run.
type row struct {
	what, target string
	measured     []string
	met          int // in so many runs
}

// report collects what was measured.
type report struct {
	rows []*row
	// details are lines below the table.
	details []string
}

// add adds what a run measured, to the line of those before. What is met is decided by the caller, in the same unit as the
// target.
func (r *report) add(met bool, what, target, measured string, args ...any) {
	i := slices.IndexFunc(r.rows, func(row *row) bool { return row.what == what })
	if i < 0 {
		i = len(r.rows)
		r.rows = append(r.rows, &row{what: what, target: target})
	}
	line := r.rows[i]
	line.measured = append(line.measured, fmt.Sprintf(measured, args...))
	if met {
		line.met++
	}
}

func (r *row) verdict() string {
	switch r.met {
	case len(r.measured):
		return "met"
	case 0:
		return "**missed**"
	}
	return fmt.Sprintf("met in %d of %d", r.met, len(r.measured))
}

func (r *report) detail(format string, args ...any) {
	r.details = append(r.details, fmt.Sprintf(format, args...))
}

func (r *report) markdown(now time.Time) string {
	var b strings.Builder
	fmt.Fprintf(&b, `# Benchmarks

Written by `+"`make bench`"+` on %s, on %d cores (%s/%s, %s%s), which etcd, the API server, the controller manager,
simulated AWS and the controller share. The bare loop makes the same STS calls and Secret writes with the same number of
workers, with the same SDK and client, in the same run. Where a line has several figures, each is of a run of its own, on a control
plane of its own.

| what | target | measured | |
| --- | --- | --- | --- |
`, now.UTC().Format("2006-01-02"), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version(), cpu())
	for _, row := range r.rows {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", row.what, row.target, strings.Join(row.measured, "<br>"), row.verdict())
	}
	for _, line := range r.details {
		fmt.Fprintf(&b, "\n* %s", line)
	}
	return b.String() + "\n"
}

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

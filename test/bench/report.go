package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// row is one line of the table.
type row struct {
	what, target, measured string
	met                    bool
}

// report collects what was measured.
type report struct {
	rows []row
	// details are lines below the table.
	details []string
}

// add adds a line. What is met is decided by the caller, in the same unit as the target.
func (r *report) add(met bool, what, target, measured string, args ...any) {
	r.rows = append(r.rows, row{what: what, target: target, measured: fmt.Sprintf(measured, args...), met: met})
}

func (r *report) detail(format string, args ...any) {
	r.details = append(r.details, fmt.Sprintf(format, args...))
}

func (r *report) markdown(now time.Time) string {
	var b strings.Builder
	fmt.Fprintf(&b, `# Benchmarks

Written by `+"`make bench`"+` on %s, on %d cores (%s/%s, %s%s), which etcd, the API server, the controller manager,
simulated AWS and the controller share. The bare loop makes the same STS calls and Secret writes with the same number of
workers, with the same SDK and client, in the same run.

| what | target | measured | |
| --- | --- | --- | --- |
`, now.UTC().Format("2006-01-02"), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version(), cpu())
	for _, row := range r.rows {
		verdict := "met"
		if !row.met {
			verdict = "**missed**"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", row.what, row.target, row.measured, verdict)
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

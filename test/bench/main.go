// Command bench measures the controller on a real API server against simulated AWS, and writes a table.
//
//	go run ./bench -o ../docs/benchmarks.md
//
// What is a time is compared with a bare loop that makes the same requests in the same run: absolute times say more of
// the machine than of the controller.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stderr)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1) //nolint:forbidigo // this is main
	}
}

// sizes are how much is measured.
type sizes struct {
	burst, roles, drift, single, fresh, other, pods, podBurst, ready, lateRounds int
	growth, crowds                                                               []int
	idle, drifting, serving                                                      time.Duration
	late                                                                         []time.Duration
	fleet                                                                        fleetSize
}

var (
	full = sizes{burst: 1000, roles: 200, drift: 10_000, single: 200, fresh: 10_000, other: 10_000, growth: []int{1000, 5000, 20_000, 50_000}, crowds: []int{1, 50, 200, 500}, idle: 5 * time.Minute, drifting: time.Minute, pods: 300, serving: 5 * time.Second,
		podBurst: 2000, ready: 12, late: []time.Duration{5 * time.Second, 8 * time.Second}, lateRounds: 3,
		fleet: fleetSize{identities: 50_000, namespaces: 500, session: 15 * time.Minute, outage: 450 * time.Second}}
	brief = sizes{burst: 100, roles: 50, drift: 200, single: 20, fresh: 500, other: 500, growth: []int{200, 1000}, crowds: []int{1, 50}, idle: 10 * time.Second, drifting: 10 * time.Second, pods: 30, serving: time.Second,
		podBurst: 200, ready: 2, late: []time.Duration{2 * time.Second}, lateRounds: 1,
		fleet: fleetSize{identities: 500, namespaces: 10, session: 2 * time.Minute, outage: time.Minute}}
)

// A measure is something that is measured by itself.
type measure struct {
	name string
	take func(*bench, context.Context, sizes, *report) error
	// long says that it takes minutes, and counts more than it times.
	long bool
}

var measures = []measure{
	{name: "burst", take: (*bench).burst},
	{name: "managedRoles", take: (*bench).managedRoles},
	{name: "drift", take: (*bench).drift, long: true},
	{name: "single", take: (*bench).single},
	{name: "restart", take: (*bench).restart},
	{name: "memory", take: (*bench).memory, long: true},
	{name: "idle", take: (*bench).idle, long: true},
	{name: "growth", take: (*bench).growth, long: true},
	{name: "fleet", take: (*bench).fleet, long: true},
	{name: "admission", take: (*bench).admission, long: true},
	{name: "credentialsServer", take: (*bench).credentialsServer},
	{name: "podBurst", take: (*bench).podBurst},
	{name: "podReady", take: (*bench).podReady, long: true},
}

func names() string {
	var all []string
	for _, m := range measures {
		all = append(all, m.name)
	}
	return strings.Join(all, ", ")
}

// chosen are the measures of a list of names, in the order of all.
func chosen(list string) (wanted []measure, err error) {
	if list == "" {
		return measures, nil
	}
	missing := map[string]bool{}
	for name := range strings.SplitSeq(list, ",") {
		missing[strings.TrimSpace(name)] = true
	}
	for _, m := range measures {
		if missing[m.name] {
			wanted = append(wanted, m)
			delete(missing, m.name)
		}
	}
	for name := range missing {
		return nil, fmt.Errorf("-only: there is no measure %q: choose from %s", name, names())
	}
	return wanted, nil
}

func run(ctx context.Context, args []string, progress io.Writer) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	output := flags.String("o", "", "write the table to this `file` besides printing it; lines there of other measures stay")
	only := flags.String("only", "", "`measures` to take, separated by commas; all if none is given: "+names())
	runs := flags.Int("runs", 3, "how often to take each measure, each time on a control plane of its own")
	longRuns := flags.Int("long-runs", 1, "how often to take those that take minutes")
	short := flags.Bool("brief", false, "measure little, to see whether the measuring works")
	if err := flags.Parse(args); err != nil {
		return err
	}
	size := full
	if *short {
		size = brief
	}
	wanted, err := chosen(*only)
	if err != nil {
		return err
	}
	r := &report{date: today()}
	for i := range max(*runs, *longRuns) {
		due := slices.DeleteFunc(slices.Clone(wanted), func(m measure) bool { return i >= *runs && !m.long || i >= *longRuns && m.long })
		if err = takeAll(ctx, due, size, r, progress); err != nil {
			break // what was measured until then was measured
		}
	}
	return errors.Join(err, write(r, *output))
}

// write prints a report, and writes it to a file unless that has no name.
func write(r *report, output string) error {
	fmt.Fprintln(os.Stdout, r.markdown(""))
	if output == "" {
		return nil
	}
	before, err := os.ReadFile(output) //nolint:gosec // as the user names it
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.WriteFile(output, []byte(r.markdown(string(before))), 0o644) //nolint:gosec // for everybody to read
}

// takeAll takes measures on a control plane of their own.
func takeAll(ctx context.Context, wanted []measure, size sizes, r *report, progress io.Writer) error {
	if len(wanted) == 0 {
		return nil
	}
	b, err := start(ctx, progress)
	if err != nil {
		return err
	}
	defer b.end()
	for _, m := range wanted {
		r.measure = m.name
		if err := m.take(b, ctx, size, r); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	return nil
}

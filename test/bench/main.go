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
	"os"
	"os/signal"
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
	burst, roles, single, fresh, other, pods int
	growth, crowds                           []int
	idle, serving                            time.Duration
}

var (
	full  = sizes{burst: 1000, roles: 200, single: 200, fresh: 10_000, other: 10_000, growth: []int{1000, 5000, 20_000, 50_000}, crowds: []int{1, 50, 200, 1000, 4000}, idle: time.Minute, pods: 300, serving: 5 * time.Second}
	brief = sizes{burst: 100, roles: 50, single: 20, fresh: 500, other: 500, growth: []int{200, 1000}, crowds: []int{1, 50}, idle: 10 * time.Second, pods: 30, serving: time.Second}
)

func run(ctx context.Context, args []string, progress io.Writer) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	output := flags.String("o", "", "write the table to this `file` besides printing it")
	only := flags.String("only", "", "`measure` to take: burst, managedRoles, single, restart, memory, idle, growth, admission, credentialsServer; all if none is given")
	short := flags.Bool("brief", false, "measure little, to see whether the measuring works")
	if err := flags.Parse(args); err != nil {
		return err
	}
	size := full
	if *short {
		size = brief
	}
	b, err := start(ctx, progress)
	if err != nil {
		return err
	}
	defer b.end()
	r := &report{}
	for _, measure := range []struct {
		name string
		take func(context.Context, sizes, *report) error
	}{
		{"burst", b.burst}, {"managedRoles", b.managedRoles}, {"single", b.single}, {"restart", b.restart}, {"memory", b.memory}, {"idle", b.idle}, {"growth", b.growth},
		{"admission", b.admission}, {"credentialsServer", b.credentialsServer},
	} {
		if *only != "" && *only != measure.name {
			continue
		}
		if err := measure.take(ctx, size, r); err != nil {
			return err
		}
	}
	text := r.markdown(time.Now())
	fmt.Fprintln(os.Stdout, text)
	if *output == "" {
		return nil
	}
	return os.WriteFile(*output, []byte(text), 0o644) //nolint:gosec // for everybody to read
}

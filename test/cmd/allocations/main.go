// Command allocations runs the Go benchmarks of the code that runs most often, and writes a table of what each allocates.
//
//	go run ./cmd/allocations -o ../docs/allocations.md
//
// Unlike times, that is the same on every machine.
package main

import (
	"bytes"
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/tools/benchmark/parse"

	"kube-aws-iam-controller/test/cluster"
)

// packages are those with benchmarks, in the order of the table.
var packages = []string{"serviceaccount", "secrets", "broker", "admission", "credserver"}

// runs are how often each benchmark is run, of which the table has the median.
const runs = 5

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "allocations:", err)
		os.Exit(1) //nolint:forbidigo // this is main
	}
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("allocations", flag.ContinueOnError)
	output := flags.String("o", "", "write the table to this `file` besides printing it")
	if err := flags.Parse(args); err != nil {
		return err
	}
	root, err := cluster.Root()
	if err != nil {
		return err
	}
	table, err := measure(ctx, root)
	if err != nil {
		return err
	}
	fmt.Fprint(stdout, table)
	if *output == "" {
		return nil
	}
	return os.WriteFile(*output, []byte(table), 0o644) //nolint:gosec // for everybody to read
}

// measure runs all benchmarks and returns the page.
func measure(ctx context.Context, root string) (string, error) {
	var page strings.Builder
	page.WriteString(head)
	for _, name := range packages {
		docs, err := benchmarkDocs(filepath.Join(root, "internal", name))
		if err != nil {
			return "", err
		}
		results, err := benchmarks(ctx, root, "./internal/"+name)
		if err != nil {
			return "", err
		}
		for _, r := range results {
			benchmark, of, _ := strings.Cut(strings.TrimPrefix(r.Name, "Benchmark"), "/")
			fmt.Fprintf(&page, "| %s: %s | %s | %d | %d |\n", name, docs[benchmark], of, r.AllocedBytesPerOp, r.AllocsPerOp)
		}
	}
	return page.String(), nil
}

const head = `# Allocations

Written by ` + "`make bench-allocs`" + `: what the code that runs most often allocates each time, the median of several runs.
[Benchmarks](benchmarks.md) are of the whole controller.

| what | of | bytes | allocations |
| --- | --- | --- | --- |
`

// benchmarks runs those of a package, and returns the median of each, in the order in which they ran.
func benchmarks(ctx context.Context, root, pkg string) ([]*parse.Benchmark, error) {
	test := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", ".", "-benchmem", "-benchtime", "2000x", "-cpu", "1", //nolint:gosec // of our own
		"-count", fmt.Sprint(runs), pkg)
	test.Dir = root
	out, err := test.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("benchmarks of %s: %w\n%s", pkg, err, out)
	}
	set, err := parse.ParseSet(bytes.NewReader(out))
	if err != nil {
		return nil, err
	}
	medians := make([]*parse.Benchmark, 0, len(set))
	for _, all := range set {
		slices.SortFunc(all, func(a, b *parse.Benchmark) int { return cmp.Compare(a.AllocedBytesPerOp, b.AllocedBytesPerOp) })
		medians = append(medians, all[len(all)/2])
	}
	slices.SortFunc(medians, func(a, b *parse.Benchmark) int { return cmp.Compare(a.Name, b.Name) })
	return medians, nil
}

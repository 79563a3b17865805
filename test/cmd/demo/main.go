// Command demo does the main job before one's eyes: a real API server, the controller's own binary, simulated AWS, and
// a program that reads its credentials as one in a pod does.
//
//	go run ./cmd/demo
//
// The environment variable KEEP=1 keeps everything running at the end, KUBECONFIG names a cluster to use instead of
// building one.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1) //nolint:forbidigo // this is main
	}
}

// run is the demo, or, with the argument "pod", the program that the demo runs as a pod would.
func run(ctx context.Context, args []string, stdout io.Writer) error {
	if len(args) == 1 && args[0] == "pod" {
		return pod(ctx, stdout)
	}
	d := &demo{say: newNarrator(stdout), keep: os.Getenv("KEEP") == "1"}
	defer d.end(ctx)
	if err := d.run(ctx, os.Getenv("KUBECONFIG")); err != nil {
		d.blame()
		return err
	}
	return nil
}

// Command controlplane builds and runs a Kubernetes control plane on loopback, for trying things out by hand:
//
//	go run ./cmd/controlplane
//
// It prints how to reach it and runs until it is interrupted. With a command, it runs that one instead, whose tests share
// the control plane, and ends with it:
//
//	go run ./cmd/controlplane go test -short ./integration/ ./admission/
//
// It is of the version of Kubernetes in go.mod, or of another one:
//
//	go run ./cmd/controlplane -kubernetes 1.30.14 -build-only
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"kube-aws-iam-controller/test/cluster"
)

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	cancel()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "controlplane:", err)
		os.Exit(1) //nolint:forbidigo // this is main
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("controlplane", flag.ContinueOnError)
	flags.SetOutput(stderr)
	dir := flags.String("dir", "", "keep data, kubeconfig and logs in this `directory`; a temporary one if empty")
	audit := flags.Bool("audit", false, "record each request in logs/audit.log")
	buildOnly := flags.Bool("build-only", false, "build what is missing, print where it is, and end")
	version := flags.String("kubernetes", "", "`version` of Kubernetes, such as 1.30.14; that of go.mod if empty")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *version != "" { // for what is run as well
		if err := os.Setenv(cluster.VersionVariable, *version); err != nil {
			return err
		}
	}
	bins, err := cluster.Binaries(ctx, stderr)
	if err != nil {
		return err
	}
	if *buildOnly {
		_, err := fmt.Fprintf(stdout, "%s\n%s\n%s\n%s\n",
			bins.Etcd, bins.KubeAPIServer, bins.KubeControllerManager, bins.Kubectl)
		return err
	}
	options := cluster.Options{Dir: *dir, Audit: *audit, Progress: stderr}
	if flags.NArg() > 0 {
		return around(ctx, options, flags.Args(), stdout, stderr)
	}
	return serve(ctx, options, bins.Kubectl, stdout)
}

// around runs a command that uses the control plane, and ends the control plane after it however the command ends.
func around(ctx context.Context, options cluster.Options, command []string, stdout, stderr io.Writer) error {
	control, err := cluster.Start(ctx, options)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...) //nolint:gosec // running what the caller names is the purpose
	cmd.Env, cmd.Stdout, cmd.Stderr = control.Environment(), stdout, stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	return errors.Join(cmd.Run(), control.Stop())
}

// serve runs the control plane until the context ends.
func serve(ctx context.Context, options cluster.Options, kubectl string, stdout io.Writer) error {
	begin := time.Now()
	control, err := cluster.Start(ctx, options)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, `The control plane is ready after %s. Ctrl-C ends it. There are no nodes: pods stay pending.

export KUBECONFIG=%s
alias kubectl=%s
kubectl get namespaces

Logs are in %s.
`, time.Since(begin).Round(time.Millisecond), control.AdminKubeconfig(), kubectl, control.LogsDir())
	if err == nil {
		<-ctx.Done()
	}
	return errors.Join(err, control.Stop())
}

// Command demo shows what the controller promises: a real API server, the controller with the rights that it ships
// with, simulated AWS, and a program that reads its credentials as one in a pod does. Each step says what it has
// shown, a table at the end sums it up, and the exit code is 1 if anything did not come out as promised.
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
		return workload(ctx, stdout)
	}
	d := &demo{say: newNarrator(stdout), keep: os.Getenv("KEEP") == "1", kubeconfig: os.Getenv("KUBECONFIG")}
	d.introduce()
	defer d.end(ctx)
	err := d.show(ctx)
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("interrupted in step %d", d.say.steps)
	case err != nil:
		d.blame()
		return err
	}
	return d.stay(ctx)
}

// introduce says what will happen, where, and how long it takes.
func (d *demo) introduce() {
	where := "a real API server on this machine"
	if d.kubeconfig != "" {
		where = "the cluster of " + d.kubeconfig
	}
	d.say.line("ServiceAccounts get IAM roles and their pods get credentials, on %s with AWS simulated, in about a minute and a half.", where)
	d.say.line("The first time it takes about five minutes more, to build Kubernetes. Ctrl-C ends it at any time and leaves nothing behind.")
}

// stay keeps everything running until it is interrupted.
func (d *demo) stay(ctx context.Context) error {
	if !d.keep {
		return nil
	}
	d.say.line(`
Everything stays up until Ctrl-C. Look around:
export KUBECONFIG=%s
alias kubectl=%s
kubectl get serviceaccounts,awsiamroles,secrets -n %s
kubectl get events -A
kubectl annotate serviceaccount app -n %s --overwrite iam.amazonaws.com/role=no-such-role
curl %s/metrics
tail -f %s`, d.AdminKubeconfig(), d.KubectlPath(), namespace, namespace, d.controller.URL(), d.log)
	<-ctx.Done()
	return nil
}

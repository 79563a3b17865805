// Command kube-aws-iam-controller gives Kubernetes ServiceAccounts credentials
// of AWS IAM roles, in Secrets that are kept fresh.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"kube-aws-iam-controller/internal/app"
)

// version is set at link time.
var version = "unknown"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := app.Run(ctx, version, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code) //nolint:forbidigo // this is main
}

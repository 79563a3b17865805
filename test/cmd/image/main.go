// Command image makes the product's container image without Docker.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"kube-aws-iam-controller/test/image"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1) //nolint:forbidigo // this is main
	}
}

func run(ctx context.Context) error {
	out := flag.String("o", "image.tar", "file to write")
	tag := flag.String("tag", "kube-aws-iam-controller:latest", "name and tag of the image")
	platform := flag.String("platform", "linux/"+runtime.GOARCH, "operating system and architecture")
	version := flag.String("version", "unknown", "what the programs say they are")
	flag.Parse()
	made, err := image.Make(ctx, image.Options{Programs: image.Product, Platform: *platform, Version: *version})
	if err != nil {
		return err
	}
	if err := image.Save(*out, *tag, made); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "%s for %s is in %s; load it with docker load -i or ctr image import\n", *tag, *platform, *out)
	return nil
}

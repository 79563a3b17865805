// Command image makes the product's container image without Docker, for all platforms and with an SBOM for each, and
// writes or pushes it:
//
//	go run ./cmd/image -version v1.2.3 -o image.tar
//	go run ./cmd/image -version v1.2.3 -image registry.example.com/kube-aws-iam-controller -push
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"kube-aws-iam-controller/test/image"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1) //nolint:forbidigo // this is main
	}
}

// options are the command line.
type options struct {
	image.Origin

	out, name, platforms string
	docker, push         bool
}

func run(ctx context.Context, args []string) error {
	var o options
	flags := flag.NewFlagSet("image", flag.ContinueOnError)
	flags.StringVar(&o.out, "o", "image.tar", "`file` to write")
	flags.StringVar(&o.name, "image", "kube-aws-iam-controller", "`name` of the image, registry included")
	flags.StringVar(&o.platforms, "platforms", strings.Join(image.Platforms, ","), "`list` of operating systems and architectures")
	flags.BoolVar(&o.docker, "docker", false, "write a tar for docker load, of one platform, rather than an OCI layout")
	flags.BoolVar(&o.push, "push", false, "push to the registry in the name rather than write a file")
	o.Flags(flags)
	if err := flags.Parse(args); err != nil {
		return err
	}
	if err := o.ReadEpoch(); err != nil {
		return err
	}
	if o.docker {
		return o.save(ctx)
	}
	return o.index(ctx)
}

func (o *options) tag() string { return o.name + ":" + o.Version }

// save writes the image for one platform.
func (o *options) save(ctx context.Context) error {
	making := o.Options()
	making.Platform = o.platforms
	made, err := image.Make(ctx, making)
	if err != nil {
		return err
	}
	if err := image.Save(o.out, o.tag(), made); err != nil {
		return err
	}
	o.say("%s for %s is in %s; load it with docker load -i or ctr images import", o.tag(), o.platforms, o.out)
	return nil
}

// index writes or pushes the index of all platforms.
func (o *options) index(ctx context.Context) error {
	made, err := image.MakeIndex(ctx, o.Options(), strings.Split(o.platforms, ",")...)
	if err != nil {
		return err
	}
	if o.push {
		return o.pushed(ctx, made)
	}
	digest, err := image.SaveIndex(o.out, o.tag(), made.Index)
	if err != nil {
		return err
	}
	o.say("%s for %s is in %s, an OCI layout; it is", o.tag(), o.platforms, o.out)
	_, err = fmt.Fprintln(os.Stdout, digest)
	return err
}

// pushed pushes an index, and prints the name by which it is to be had for ever.
func (o *options) pushed(ctx context.Context, made *image.Index) error {
	reference, err := image.Push(ctx, o.tag(), made.Index)
	if err != nil {
		return err
	}
	o.say("pushed %s as", o.tag())
	_, err = fmt.Fprintln(os.Stdout, reference)
	return err
}

func (o *options) say(format string, values ...any) {
	fmt.Fprintf(os.Stderr, "image: "+format+"\n", values...)
}

// Command release makes everything that a release consists of, without Docker and without a registry: the programs for
// each platform, the image for all of them, its SBOMs, the manifests, the Helm chart, the kubectl plugin with its krew manifest, and the
// checksums of these. It then makes all of it again and fails if a byte differs.
//
//	go run ./cmd/release -version v1.2.3 -o ../dist
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1) //nolint:forbidigo // this is main
	}
}

func run(ctx context.Context) error {
	out := flag.String("o", "dist", "`directory` to write; a release that is in it goes")
	r := release{}
	r.Flags(flag.CommandLine)
	flag.StringVar(&r.image, "image", "kube-aws-iam-controller", "`name` of the image in the manifests, registry included")
	flag.StringVar(&r.download, "download", "", "`address` of the plugin's archives in the krew manifest; by default that of a GitHub release of the source")
	flag.Parse()
	if err := r.ReadEpoch(); err != nil {
		return err
	}
	if err := r.makeIn(ctx, *out); err != nil {
		return err
	}
	if err := r.repeat(ctx, *out); err != nil {
		return err
	}
	return list(*out)
}

// repeat makes the release again and compares.
func (r *release) repeat(ctx context.Context, out string) (err error) {
	begin := time.Now()
	again, err := os.MkdirTemp("", "release-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(again)) }()
	if err = r.makeIn(ctx, again); err != nil {
		return err
	}
	sums := make([]string, 2)
	for i, dir := range []string{out, again} {
		text, err := os.ReadFile(filepath.Join(dir, sumsFile)) //nolint:gosec // just written
		if err != nil {
			return err
		}
		sums[i] = string(text)
	}
	if sums[0] != sums[1] {
		return fmt.Errorf("made again, it is not the same:\n%s\n%s", sums[0], sums[1])
	}
	r.progress("made again with the same bytes, in %.0f s", time.Since(begin).Seconds())
	return nil
}

// list shows what was made.
func list(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "%12d  %s\n", info.Size(), filepath.Join(dir, entry.Name()))
	}
	return nil
}

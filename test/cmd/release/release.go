package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"kube-aws-iam-controller/test/chart"
	"kube-aws-iam-controller/test/image"
)

// What a release consists of, besides the programs.
const (
	imageFile     = "kube-aws-iam-controller-image.tar"
	manifestsFile = "kube-aws-iam-controller.yaml"
	sumsFile      = "SHA256SUMS"
)

var platforms = []string{"linux/amd64", "linux/arm64"}

// release says what to make.
type release struct{ version, image string }

func (r *release) progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "release: "+format+"\n", args...)
}

// prepare empties a directory that holds a release, and refuses one that holds anything else.
func prepare(dir string) error {
	entries, err := os.ReadDir(dir)
	if err == nil && len(entries) > 0 {
		if _, err = os.Stat(filepath.Join(dir, sumsFile)); err != nil {
			return fmt.Errorf("%s is not empty, and holds no release: remove it first", dir)
		}
	}
	if err = os.RemoveAll(dir); err != nil {
		return err
	}
	return os.MkdirAll(dir, 0o750)
}

// makeIn fills a directory.
func (r *release) makeIn(ctx context.Context, dir string) error {
	if err := prepare(dir); err != nil {
		return err
	}
	r.progress("building %s for %s; minutes where nothing is cached", r.version, strings.Join(platforms, " and "))
	index, err := image.MakeIndex(ctx, image.Options{Programs: image.Product, Version: r.version}, platforms...)
	if err != nil {
		return err
	}
	if err = r.writePrograms(dir, index); err != nil {
		return err
	}
	digest, err := image.SaveIndex(filepath.Join(dir, imageFile), r.tagged(), index.Index)
	if err != nil {
		return err
	}
	r.progress("the image %s is %s", r.tagged(), digest)
	if err = r.writeManifests(filepath.Join(dir, manifestsFile)); err != nil {
		return err
	}
	if _, err = chart.Package(dir, r.version, r.image); err != nil {
		return err
	}
	return writeSums(dir)
}

func (r *release) tagged() string { return r.image + ":" + r.version }

// writePrograms writes the programs as they are in the image.
func (r *release) writePrograms(dir string, index *image.Index) error {
	for platform, made := range index.Images {
		files, err := image.Files(made)
		if err != nil {
			return err
		}
		for _, program := range image.Product {
			name := strings.TrimPrefix(program.Path, "/") + "-" + strings.ReplaceAll(platform, "/", "-")
			//nolint:gosec // everybody may run them
			if err = os.WriteFile(filepath.Join(dir, name), files[program.Path], 0o755); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeSums writes the checksums of all files, as sha256sum -c reads them.
func writeSums(dir string) error {
	entries, err := os.ReadDir(dir) // by name
	if err != nil {
		return err
	}
	var sums []string
	for _, entry := range entries {
		content, err := os.ReadFile(filepath.Join(dir, entry.Name())) //nolint:gosec // just written
		if err != nil {
			return err
		}
		sum := sha256.Sum256(content)
		sums = append(sums, hex.EncodeToString(sum[:])+"  "+entry.Name()+"\n")
	}
	return os.WriteFile(filepath.Join(dir, sumsFile), []byte(strings.Join(sums, "")), 0o644) //nolint:gosec // for everybody to read
}

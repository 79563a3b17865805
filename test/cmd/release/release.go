package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"kube-aws-iam-controller/test/chart"
	"kube-aws-iam-controller/test/image"
)

// What a release consists of, besides the programs.
const (
	imageFile = "kube-aws-iam-controller-image.tar"
	sumsFile  = "SHA256SUMS"
)

// documentFile is the SBOM of the image for a platform.
func documentFile(platform string) string {
	return "kube-aws-iam-controller-image-" + dashed(platform) + ".spdx.json"
}

func dashed(platform string) string { return strings.ReplaceAll(platform, "/", "-") }

// release says what to make.
type release struct {
	image.Origin

	image string
	// download is the address under which the archives of the plugin can be downloaded.
	download string
}

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
	r.progress("building %s for %s; minutes where nothing is cached", r.Version, strings.Join(image.Platforms, " and "))
	index, err := image.MakeIndex(ctx, r.Options(), image.Platforms...)
	if err != nil {
		return err
	}
	if err = errors.Join(r.writePrograms(dir, index), r.writeDocuments(dir, index)); err != nil {
		return err
	}
	digest, err := image.SaveIndex(filepath.Join(dir, imageFile), r.tagged(), index.Index)
	if err != nil {
		return err
	}
	r.progress("the image %s is %s", r.tagged(), digest)
	if err = errors.Join(r.writeManifests(dir), r.writePlugin(ctx, dir, pluginPlatforms)); err != nil {
		return err
	}
	if _, err = chart.Package(dir, chart.Defaults{Version: r.Version, Image: r.image, Runbooks: r.runbooks()}); err != nil {
		return err
	}
	return writeSums(dir)
}

// runbooks is the address of what the alerts refer to, in the layout of GitHub and GitLab; empty if nobody said.
func (r *release) runbooks() string {
	if r.Source == "" {
		return ""
	}
	return r.Source + "/blob/" + r.Version + "/"
}

func (r *release) tagged() string { return r.image + ":" + r.Version }

// writeDocuments writes the SBOMs as they are in the image's index.
func (r *release) writeDocuments(dir string, index *image.Index) error {
	for platform, text := range index.Documents {
		//nolint:gosec // for everybody to read
		if err := os.WriteFile(filepath.Join(dir, documentFile(platform)), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// writePrograms writes the programs as they are in the image, except for the plugin, which has archives of its own.
func (r *release) writePrograms(dir string, index *image.Index) error {
	for platform, made := range index.Images {
		files, err := image.Files(made)
		if err != nil {
			return err
		}
		for _, program := range image.Product {
			if program.Path == image.Plugin {
				continue
			}
			name := strings.TrimPrefix(program.Path, "/") + "-" + dashed(platform)
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

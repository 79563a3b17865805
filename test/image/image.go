// Package image makes container images of static programs, without Docker and without a registry.
package image

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// User is whom images run as.
const User = "65532:65532"

// Options say what to make.
type Options struct {
	// Programs are built from source; the first is the entrypoint.
	Programs []Program
	// Files are added as they are, by their absolute path.
	Files map[string][]byte
	// Platform is such as linux/amd64.
	Platform string
	// Version is what the programs say they are.
	Version string
	// Labels are those of the image. An index has them as annotations.
	Labels map[string]string
	// Created is when the image says it was made. It says nothing if this is zero.
	Created time.Time
}

// Make builds an image on nothing but the programs and the certificate authorities that the world trusts. The same
// source makes the same image.
func Make(ctx context.Context, options Options) (v1.Image, error) {
	platform, err := v1.ParsePlatform(options.Platform)
	if err != nil {
		return nil, fmt.Errorf("platform: %w", err)
	}
	files := map[string][]byte{authoritiesPath: authorities()}
	maps.Copy(files, options.Files)
	for _, program := range options.Programs {
		if files[program.Path], err = build(ctx, program, platform, options.Version); err != nil {
			return nil, err
		}
	}
	layer, err := layerOf(files)
	if err != nil {
		return nil, err
	}
	image, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Variant = platform.OS, platform.Architecture, platform.Variant
	config.Config.User = User
	config.Config.Entrypoint = []string{options.Programs[0].Path}
	config.Config.Labels = options.Labels
	config.Created = v1.Time{Time: options.Created.UTC()}
	return mutate.ConfigFile(image, config)
}

// Save writes an image as a tar that docker load and ctr image import read.
func Save(path, tag string, image v1.Image) error {
	reference, err := name.NewTag(tag)
	if err != nil {
		return fmt.Errorf("tag: %w", err)
	}
	return tarball.WriteToFile(path, reference, image)
}

// authoritiesPath is where programs of Go, and most others, look for them.
const authoritiesPath = "/etc/ssl/certs/ca-certificates.crt"

// authorities returns Mozilla's, as Go's own maintainers keep them.
func authorities() []byte {
	var out bytes.Buffer
	for root := range bundle.Roots() {
		_ = pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}) // a buffer takes everything
	}
	return out.Bytes()
}

// layerOf returns a layer of files that everybody may read and run, without times.
func layerOf(files map[string][]byte) (v1.Layer, error) {
	var out bytes.Buffer
	archive := tar.NewWriter(&out)
	paths := make([]string, 0, len(files))
	for path := range files {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	for _, path := range paths {
		header := &tar.Header{Name: strings.TrimPrefix(path, "/"), Mode: 0o555, Size: int64(len(files[path])), Format: tar.FormatPAX}
		if err := archive.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := archive.Write(files[path]); err != nil {
			return nil, err
		}
	}
	if err := archive.Close(); err != nil {
		return nil, err
	}
	content := out.Bytes()
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil })
}

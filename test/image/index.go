package image

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// tagAnnotation is where an OCI layout has the tag of what is in it.
const tagAnnotation = "org.opencontainers.image.ref.name"

// Index is one image for several platforms.
type Index struct {
	Index v1.ImageIndex
	// Images are by platform, such as linux/amd64.
	Images map[string]v1.Image
	// Documents are their SBOMs, which are in the index as well.
	Documents map[string][]byte
}

// MakeIndex makes an image for each of the platforms, with its SBOM, and an index of them. The same source makes the same
// index.
func MakeIndex(ctx context.Context, options Options, platforms ...string) (*Index, error) {
	index := &Index{
		Index:     mutate.Annotations(empty.Index, options.Labels).(v1.ImageIndex), //nolint:errcheck // it returns the type that it is given
		Images:    map[string]v1.Image{},
		Documents: map[string][]byte{},
	}
	for _, platform := range platforms {
		options.Platform = platform
		if err := index.add(ctx, options); err != nil {
			return nil, fmt.Errorf("image for %s: %w", platform, err)
		}
	}
	// Images come first: there are tools that take the first of an index for the image.
	for _, platform := range platforms {
		var err error
		if index.Index, err = attach(index.Index, index.Images[platform], index.Documents[platform]); err != nil {
			return nil, fmt.Errorf("SBOM for %s: %w", platform, err)
		}
	}
	var err error
	index.Index, err = rewrite(index.Index)
	return index, err
}

// add makes the image for one platform and its SBOM.
func (i *Index) add(ctx context.Context, options Options) error {
	platform, err := v1.ParsePlatform(options.Platform)
	if err != nil {
		return fmt.Errorf("platform: %w", err)
	}
	made, err := Make(ctx, options)
	if err != nil {
		return err
	}
	if made, err = inOCI(made); err != nil {
		return err
	}
	made = mutate.Annotations(made, options.Labels).(v1.Image) //nolint:errcheck // it returns the type that it is given
	if i.Documents[options.Platform], err = document(ctx, options, made); err != nil {
		return fmt.Errorf("SBOM: %w", err)
	}
	i.Images[options.Platform] = made
	i.Index = mutate.AppendManifests(i.Index, mutate.IndexAddendum{Add: made, Descriptor: v1.Descriptor{Platform: platform}})
	return nil
}

// inOCI returns the image with the media types of OCI, which an OCI layout has to have.
func inOCI(image v1.Image) (v1.Image, error) {
	layers, err := image.Layers()
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	converted := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	for _, layer := range layers {
		if converted, err = mutate.Append(converted, mutate.Addendum{Layer: layer, MediaType: types.OCILayer}); err != nil {
			return nil, err
		}
	}
	return mutate.ConfigFile(converted, config)
}

// SaveIndex writes an index as a tar of an OCI layout, the format that skopeo calls oci-archive, and returns its digest.
func SaveIndex(path, tag string, index v1.ImageIndex) (digest v1.Hash, err error) {
	if digest, err = index.Digest(); err != nil {
		return digest, err
	}
	dir, err := os.MkdirTemp("", "layout-")
	if err != nil {
		return digest, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	written, err := layout.Write(dir, empty.Index)
	if err != nil {
		return digest, err
	}
	if err = written.AppendIndex(index, layout.WithAnnotations(map[string]string{tagAnnotation: tag})); err != nil {
		return digest, err
	}
	return digest, archive(path, dir)
}

// archive writes the files of a directory, in the order of their names and without times and owners.
func archive(path, dir string) (err error) {
	out, err := os.Create(path) //nolint:gosec // the caller's choice
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	archive := tar.NewWriter(out)
	err = filepath.WalkDir(dir, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, file)
		if err != nil {
			return err
		}
		content, err := os.ReadFile(file) //nolint:gosec // just written
		if err != nil {
			return err
		}
		header := &tar.Header{Name: filepath.ToSlash(name), Mode: 0o644, Size: int64(len(content)), Format: tar.FormatPAX}
		if err = archive.WriteHeader(header); err == nil {
			_, err = archive.Write(content)
		}
		return err
	})
	return errors.Join(err, archive.Close())
}

// Files returns the content of an image by absolute path.
func Files(image v1.Image) (map[string][]byte, error) {
	content := mutate.Extract(image)
	defer func() { _ = content.Close() }()
	found := map[string][]byte{}
	for archive := tar.NewReader(content); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return nil, err
		}
		if found["/"+header.Name], err = io.ReadAll(archive); err != nil {
			return nil, err
		}
	}
}

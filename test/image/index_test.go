package image

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/test/sbom"
)

// untar returns the files of a tar by name.
func untar(t *testing.T, text []byte) map[string][]byte {
	t.Helper()
	found := map[string][]byte{}
	for archive := tar.NewReader(bytes.NewReader(text)); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return found
		}
		require.NoError(t, err)
		found[header.Name], err = io.ReadAll(archive)
		require.NoError(t, err)
	}
}

// origin is a build of which all is known.
var origin = Origin{
	Version: "v1.2.3", Revision: "0123456789abcdef0123456789abcdef01234567", Source: "https://example.com/source",
	Created: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
}

// small is the product but for its larger programs.
func small() Options {
	options := origin.Options()
	options.Programs = Product[1:2]
	return options
}

func TestTheIndexHoldsAnImageForEachPlatformAndIsTheSameTwice(t *testing.T) {
	machines := map[string]elf.Machine{"linux/amd64": elf.EM_X86_64, "linux/arm64": elf.EM_AARCH64}
	require.ElementsMatch(t, slices.Collect(maps.Keys(machines)), Platforms)
	var saved [][]byte
	for range 2 {
		index, err := MakeIndex(t.Context(), small(), Platforms...)
		require.NoError(t, err)
		for platform, machine := range machines {
			files, failed := Files(index.Images[platform])
			require.NoError(t, failed)
			program, failed := elf.NewFile(bytes.NewReader(files["/credentials-server"]))
			require.NoError(t, failed)
			assert.Equal(t, machine, program.Machine, platform)
		}
		path := filepath.Join(t.TempDir(), "image.tar")
		_, err = SaveIndex(path, "name:v1", index.Index)
		require.NoError(t, err)
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		saved = append(saved, text)
	}
	assert.True(t, bytes.Equal(saved[0], saved[1]), "the same source makes the same bytes")
	isLayout(t, untar(t, saved[0]))
}

// A walk follows an OCI layout from its top to its blobs.
type walk struct {
	*testing.T

	files map[string][]byte
}

// blob reads what a descriptor says into a value, unless that is nil.
func (w *walk) blob(d v1.Descriptor, into any) []byte {
	w.Helper()
	content := w.files["blobs/sha256/"+d.Digest.Hex]
	assert.Len(w, content, int(d.Size), d.MediaType)
	if into != nil {
		require.NoError(w, json.Unmarshal(content, into))
	}
	return content
}

func isLayout(t *testing.T, files map[string][]byte) {
	t.Helper()
	w := &walk{T: t, files: files}
	assert.JSONEq(t, `{"imageLayoutVersion":"1.0.0"}`, string(files["oci-layout"]))
	var top, index v1.IndexManifest
	require.NoError(t, json.Unmarshal(files["index.json"], &top))
	require.Len(t, top.Manifests, 1)
	assert.Equal(t, "name:v1", top.Manifests[0].Annotations[tagAnnotation])
	w.blob(top.Manifests[0], &index)
	assert.Equal(t, origin.labels(), index.Annotations)
	require.Len(t, index.Manifests, 2*len(Platforms))
	for i, platform := range Platforms {
		d := index.Manifests[i]
		assert.Equal(t, platform, d.Platform.String())
		w.isImage(d)
		w.isDocument(index.Manifests[len(Platforms)+i], d)
	}
}

func (w *walk) isImage(d v1.Descriptor) {
	w.Helper()
	assert.Equal(w, types.OCIManifestSchema1, d.MediaType)
	var manifest v1.Manifest
	w.blob(d, &manifest)
	assert.Equal(w, origin.labels(), manifest.Annotations)
	var config v1.ConfigFile
	w.blob(manifest.Config, &config)
	assert.Equal(w, d.Platform.Architecture, config.Architecture)
	assert.Equal(w, User, config.Config.User)
	assert.Equal(w, origin.labels(), config.Config.Labels)
	assert.Equal(w, origin.Created, config.Created.Time)
	require.Len(w, manifest.Layers, 1)
	assert.Equal(w, types.OCILayer, manifest.Layers[0].MediaType)
	w.blob(manifest.Layers[0], nil)
}

// isDocument sees that what is beside an image is its SBOM.
func (w *walk) isDocument(d, image v1.Descriptor) {
	w.Helper()
	assert.Equal(w, "unknown/unknown", d.Platform.String(), "nobody takes it for an image")
	var manifest v1.Manifest
	w.blob(d, &manifest)
	assert.Equal(w, sbom.MediaType, manifest.ArtifactType)
	assert.Equal(w, image.Digest, manifest.Subject.Digest)
	assert.Equal(w, "{}", string(w.blob(manifest.Config, nil)))
	require.Len(w, manifest.Layers, 1)
	document := string(w.blob(manifest.Layers[0], nil))
	assert.Contains(w, document, image.Digest.Hex)
	assert.Contains(w, document, `"created": "2026-01-02T03:04:05Z"`)
	assert.Contains(w, document, `"pkg:golang/kube-aws-iam-controller@v1.2.3"`)
	assert.Contains(w, document, `"pkg:golang/`+rootsModule+`@v0.0.0-`)
}

func TestLabelsThatAreNotKnownAreLeftOut(t *testing.T) {
	var o Origin
	assert.Equal(t, map[string]string{
		"org.opencontainers.image.title":       title,
		"org.opencontainers.image.description": description,
		"org.opencontainers.image.licenses":    license,
	}, o.labels())
}

func TestTheTimeOfABuildIsThatOfTheCommit(t *testing.T) {
	t.Setenv(epochVariable, "1767323045")
	var o Origin
	require.NoError(t, o.ReadEpoch())
	assert.Equal(t, "2026-01-02T03:04:05Z", o.labels()["org.opencontainers.image.created"])
	t.Setenv(epochVariable, "today")
	require.ErrorContains(t, o.ReadEpoch(), `"today" is not a number of seconds since 1970`)
	t.Setenv(epochVariable, "")
	assert.NoError(t, o.ReadEpoch())
}

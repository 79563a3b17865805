package image

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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

func TestTheIndexHoldsAnImageForEachPlatformAndIsTheSameTwice(t *testing.T) {
	platforms := map[string]elf.Machine{"linux/amd64": elf.EM_X86_64, "linux/arm64": elf.EM_AARCH64}
	var saved [][]byte
	for range 2 {
		index, err := MakeIndex(t.Context(), Options{Programs: Product[1:], Version: "v1"}, "linux/amd64", "linux/arm64")
		require.NoError(t, err)
		for platform, machine := range platforms {
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

// isLayout follows an OCI layout from its top to its layers.
func isLayout(t *testing.T, files map[string][]byte) {
	t.Helper()
	assert.JSONEq(t, `{"imageLayoutVersion":"1.0.0"}`, string(files["oci-layout"]))
	blob := func(d v1.Descriptor) []byte {
		content := files["blobs/sha256/"+d.Digest.Hex]
		assert.Len(t, content, int(d.Size), d.MediaType)
		return content
	}
	var top, index v1.IndexManifest
	require.NoError(t, json.Unmarshal(files["index.json"], &top))
	require.Len(t, top.Manifests, 1)
	assert.Equal(t, "name:v1", top.Manifests[0].Annotations[tagAnnotation])
	require.NoError(t, json.Unmarshal(blob(top.Manifests[0]), &index))
	var found []string
	for _, d := range index.Manifests {
		found = append(found, d.Platform.String())
		assert.Equal(t, types.OCIManifestSchema1, d.MediaType)
		var manifest v1.Manifest
		require.NoError(t, json.Unmarshal(blob(d), &manifest))
		var config v1.ConfigFile
		require.NoError(t, json.Unmarshal(blob(manifest.Config), &config))
		assert.Equal(t, d.Platform.Architecture, config.Architecture)
		assert.Equal(t, User, config.Config.User)
		require.Len(t, manifest.Layers, 1)
		assert.Equal(t, types.OCILayer, manifest.Layers[0].MediaType)
		blob(manifest.Layers[0])
	}
	assert.Equal(t, []string{"linux/amd64", "linux/arm64"}, found)
}

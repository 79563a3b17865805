package image

import (
	"io"
	"log"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/test/sbom"
)

// newRegistry returns the address of a registry on loopback that knows of referrers.
func newRegistry(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.WithReferrersSupport(true), registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// arrived sees that a registry has an index under a tag as it was made, and each image's SBOM among its referrers.
func arrived(t *testing.T, tag string, index *Index) {
	t.Helper()
	want, err := index.Index.Digest()
	require.NoError(t, err)
	reference, err := name.ParseReference(tag)
	require.NoError(t, err)
	got, err := remote.Index(reference, remote.WithContext(t.Context()))
	require.NoError(t, err)
	digest, err := got.Digest()
	require.NoError(t, err)
	assert.Equal(t, want, digest)
	for platform, made := range index.Images {
		digest, err := made.Digest()
		require.NoError(t, err)
		pulled, err := remote.Image(reference, remote.WithContext(t.Context()), remote.WithPlatform(platformOf(t, platform)))
		require.NoError(t, err)
		got, err := pulled.Digest()
		require.NoError(t, err)
		assert.Equal(t, digest, got, platform)
		assert.Equal(t, string(index.Documents[platform]), referrer(t, reference.Context().Digest(digest.String())))
	}
}

func platformOf(t *testing.T, text string) v1.Platform {
	t.Helper()
	platform, err := v1.ParsePlatform(text)
	require.NoError(t, err)
	return *platform
}

// referrer returns the SBOM that a registry has of an image.
func referrer(t *testing.T, image name.Digest) string {
	t.Helper()
	// This registry takes the media type of the configuration for the type of an artifact, so it is not asked for one.
	listed, err := remote.Referrers(image, remote.WithContext(t.Context()))
	require.NoError(t, err)
	manifest, err := listed.IndexManifest()
	require.NoError(t, err)
	require.Len(t, manifest.Manifests, 1)
	artifact, err := remote.Image(image.Context().Digest(manifest.Manifests[0].Digest.String()), remote.WithContext(t.Context()))
	require.NoError(t, err)
	described, err := artifact.Manifest()
	require.NoError(t, err)
	assert.Equal(t, sbom.MediaType, described.ArtifactType)
	layers, err := artifact.Layers()
	require.NoError(t, err)
	require.Len(t, layers, 1)
	content, err := layers[0].Compressed()
	require.NoError(t, err)
	defer func() { _ = content.Close() }()
	text, err := io.ReadAll(content)
	require.NoError(t, err)
	return string(text)
}

func TestWhatIsPushedIsWhatWasMade(t *testing.T) {
	index, err := MakeIndex(t.Context(), small(), Platforms...)
	require.NoError(t, err)
	tag := newRegistry(t) + "/product:v1.2.3"
	pushed, err := Push(t.Context(), tag, index.Index)
	require.NoError(t, err)
	digest, err := SaveIndex(filepath.Join(t.TempDir(), "image.tar"), tag, index.Index)
	require.NoError(t, err)
	assert.Equal(t, strings.TrimSuffix(tag, ":v1.2.3")+"@"+digest.String(), pushed)
	arrived(t, tag, index)

	_, err = Push(t.Context(), "127.0.0.1:1/product:v1", index.Index)
	assert.ErrorContains(t, err, "push: ")
}

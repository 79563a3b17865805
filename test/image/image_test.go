package image

import (
	"archive/tar"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/test/cluster"
)

// files returns the paths in an image, each with its mode.
func files(t *testing.T, image v1.Image) map[string]int64 {
	t.Helper()
	content := mutate.Extract(image)
	defer func() { _ = content.Close() }()
	found := map[string]int64{}
	for archive := tar.NewReader(content); ; {
		header, err := archive.Next()
		if err == io.EOF {
			return found
		}
		require.NoError(t, err)
		found["/"+header.Name] = header.Mode
	}
}

func TestTheImageIsWhatTheDockerfileMakes(t *testing.T) {
	options := origin.Options()
	options.Platform = "linux/" + runtime.GOARCH
	made, err := Make(t.Context(), options)
	require.NoError(t, err)
	config, err := made.ConfigFile()
	require.NoError(t, err)

	root, err := cluster.Root()
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(root, "Dockerfile"))
	require.NoError(t, err)
	_, last, found := strings.Cut(string(text), "FROM scratch\n")
	require.True(t, found, "nothing is below the programs")
	paths, labels := []string{}, map[string]string{}
	for line := range strings.Lines(last) {
		words := strings.Fields(line)
		switch words[0] {
		case "COPY":
			paths = append(paths, words[len(words)-1])
		case "USER":
			assert.Equal(t, words[1], config.Config.User)
		case "ENTRYPOINT":
			var entrypoint []string
			require.NoError(t, json.Unmarshal([]byte(words[1]), &entrypoint))
			assert.Equal(t, entrypoint, config.Config.Entrypoint)
		case "ARG":
			assert.Len(t, words, 2, "older builders read one a line")
		case "LABEL":
			key, value, _ := strings.Cut(strings.TrimSpace(strings.TrimPrefix(line, "LABEL ")), "=")
			labels[key] = strings.NewReplacer(`"`, "", "$VERSION", origin.Version, "$REVISION", origin.Revision).Replace(value)
		default:
			t.Errorf("what is %s?", words[0])
		}
	}
	for key, value := range labels {
		assert.Equal(t, value, config.Config.Labels[key], key)
	}
	assert.Len(t, labels, len(config.Config.Labels)-2, "all but the source and the time")
	inside := files(t, made)
	assert.Len(t, inside, len(paths))
	for _, path := range paths {
		assert.EqualValues(t, 0o555, inside[path], path)
	}
	assert.Greater(t, strings.Count(string(authorities()), "BEGIN CERTIFICATE"), 100)
}

func TestTheSameSourceMakesTheSameImage(t *testing.T) {
	var digests []v1.Hash
	for range 2 {
		made, err := Make(t.Context(), Options{Programs: Product[1:2], Platform: "linux/arm64", Version: "v1"})
		require.NoError(t, err)
		config, err := made.ConfigFile()
		require.NoError(t, err)
		assert.Equal(t, "arm64", config.Architecture)
		digest, err := made.Digest()
		require.NoError(t, err)
		digests = append(digests, digest)
	}
	assert.Equal(t, digests[0], digests[1])
}

package main

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/test/image"
)

// chartFiles returns the files of a packaged chart by path.
func chartFiles(t *testing.T, path string) map[string]string {
	t.Helper()
	file, err := os.Open(path)
	require.NoError(t, err)
	defer func() { _ = file.Close() }()
	content, err := gzip.NewReader(file)
	require.NoError(t, err)
	found := map[string]string{}
	for archive := tar.NewReader(content); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return found
		}
		require.NoError(t, err)
		text, err := io.ReadAll(archive)
		require.NoError(t, err)
		found[header.Name] = string(text)
	}
}

func TestAChartIsPackagedUnderTheVersionOfTheRelease(t *testing.T) {
	chart, out := filepath.Join(t.TempDir(), "product"), t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(chart, "templates"), 0o700))
	for name, text := range map[string]string{
		chartFile:                   "apiVersion: v2\nname: product\nversion: 0.0.0\nappVersion: none\n",
		"templates/deployment.yaml": "version: untouched\n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(chart, name), []byte(text), 0o600))
	}
	r := &release{Origin: image.Origin{Version: "v1.2.3"}}
	require.NoError(t, r.writeChart(out, chart))
	assert.Equal(t, map[string]string{
		"product/Chart.yaml":                "apiVersion: v2\nname: product\nversion: 1.2.3\nappVersion: \"v1.2.3\"\n",
		"product/templates/deployment.yaml": "version: untouched\n",
	}, chartFiles(t, filepath.Join(out, "product-1.2.3.tgz")))
}

package main

import (
	"os"
	"path"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/test/cluster"
	"kube-aws-iam-controller/test/image"
)

func TestWhatAReleaseHasIsDocumented(t *testing.T) {
	root, err := cluster.Root()
	require.NoError(t, err)
	page, err := os.ReadFile(filepath.Join(root, "docs", "release.md"))
	require.NoError(t, err)
	names := []string{imageFile, sumsFile, krewFile}
	for _, platform := range pluginPlatforms {
		names = append(names, archiveFile("v1.0.0", platform))
	}
	for name := range installations {
		names = append(names, name)
	}
	for _, platform := range image.Platforms {
		names = append(names, documentFile(platform))
		for _, program := range image.Product {
			if program.Path != image.Plugin {
				names = append(names, path.Base(program.Path)+"-"+dashed(platform))
			}
		}
	}
	for _, name := range names {
		assert.Contains(t, string(page), "`"+name+"`")
	}
}

package chart

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v4/pkg/chart/loader"
	chartv2 "helm.sh/helm/v4/pkg/chart/v2"
)

func TestAReleasesChartInstallsItsImage(t *testing.T) {
	path, err := Package(t.TempDir(), "v1.2.3", "registry.example.com/controller")
	require.NoError(t, err)
	assert.Equal(t, "kube-aws-iam-controller-1.2.3.tgz", filepath.Base(path))
	loaded, err := loader.Load(path)
	require.NoError(t, err)
	chart, is := loaded.(*chartv2.Chart)
	require.True(t, is)
	assert.Equal(t, "v1.2.3", chart.Metadata.AppVersion)
	assert.Equal(t, "registry.example.com/controller", chart.Values["image"].(map[string]any)["repository"]) //nolint:errcheck // it would panic
	ours, err := Load()
	require.NoError(t, err)
	assert.Len(t, chart.Templates, len(ours.Templates))
	for _, f := range chart.Raw {
		assert.Zero(t, f.ModTime.Unix(), "%s: when it was written is no part of it", f.Name)
	}

	again, err := Package(t.TempDir(), "v1.2.3", "registry.example.com/controller")
	require.NoError(t, err)
	first, err := os.ReadFile(path)
	require.NoError(t, err)
	second, err := os.ReadFile(again)
	require.NoError(t, err)
	assert.Equal(t, first, second, "the same bytes each time")

	path, err = Package(t.TempDir(), "3d9c146-dirty", "c")
	require.NoError(t, err)
	assert.Equal(t, "kube-aws-iam-controller-0.0.0-3d9c146-dirty.tgz", filepath.Base(path))
}

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
	release := Defaults{Version: "v1.2.3", Image: "registry.example.com/controller", Runbooks: "https://git.example.com/r/blob/v1.2.3/"}
	path, err := Package(t.TempDir(), release)
	require.NoError(t, err)
	assert.Equal(t, "kube-aws-iam-controller-1.2.3.tgz", filepath.Base(path))
	loaded, err := loader.Load(path)
	require.NoError(t, err)
	chart, is := loaded.(*chartv2.Chart)
	require.True(t, is)
	assert.Equal(t, "v1.2.3", chart.Metadata.AppVersion)
	assert.Equal(t, "registry.example.com/controller", chart.Values["image"].(map[string]any)["repository"]) //nolint:errcheck // it would panic
	rules := chart.Values["metrics"].(map[string]any)["prometheusRule"].(map[string]any)                     //nolint:errcheck // it would panic
	assert.Equal(t, release.Runbooks, rules["runbookBaseURL"])
	ours, err := Load()
	require.NoError(t, err)
	assert.Len(t, chart.Templates, len(ours.Templates))
	for _, f := range chart.Raw {
		assert.Zero(t, f.ModTime.Unix(), "%s: when it was written is no part of it", f.Name)
	}

	again, err := Package(t.TempDir(), release)
	require.NoError(t, err)
	first, err := os.ReadFile(path)
	require.NoError(t, err)
	second, err := os.ReadFile(again)
	require.NoError(t, err)
	assert.Equal(t, first, second, "the same bytes each time")

	path, err = Package(t.TempDir(), Defaults{Version: "3d9c146-dirty", Image: "c"})
	require.NoError(t, err)
	assert.Equal(t, "kube-aws-iam-controller-0.0.0-3d9c146-dirty.tgz", filepath.Base(path))
}

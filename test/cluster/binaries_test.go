package cluster

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestReadyMadeBinariesComeFirst(t *testing.T) {
	assets := t.TempDir()
	for _, name := range []string{etcd, kubeAPIServer, kubectl} {
		require.NoError(t, os.WriteFile(filepath.Join(assets, name), nil, 0o600))
	}
	t.Setenv(AssetsVariable, assets)
	bins, err := Binaries(t.Context(), nil)
	require.NoError(t, err)

	b, err := newBuilder(nil)
	require.NoError(t, err)
	assert.Equal(t, Bins{
		Etcd:                  filepath.Join(assets, etcd),
		KubeAPIServer:         filepath.Join(assets, kubeAPIServer),
		KubeControllerManager: filepath.Join(b.dir, kubeControllerManager), // envtest brings none
		Kubectl:               filepath.Join(assets, kubectl),
	}, bins)
}

func TestBuiltBinariesAreKeptByVersion(t *testing.T) {
	b, err := newBuilder(nil)
	require.NoError(t, err)
	versions := b.module.versions
	require.NotEmpty(t, versions[kubernetesModule])
	require.NotEmpty(t, versions[etcdModule])
	assert.Contains(t, b.dir, versions[kubernetesModule])
	assert.Contains(t, b.dir, versions[etcdModule])
}

func TestModuleIsFoundFromOutsideAsWell(t *testing.T) {
	here, err := os.Getwd()
	require.NoError(t, err)
	want := filepath.Dir(here)
	for name, dir := range map[string]string{
		"in the module":                   want,
		"below it":                        here,
		"in the repository that holds it": filepath.Dir(want),
	} {
		t.Run(name, func(t *testing.T) {
			got, findErr := findIn(ancestors(dir))
			require.NoError(t, findErr)
			assert.Equal(t, want, got.dir)
		})
	}
	_, err = findIn(ancestors(t.TempDir()))
	assert.ErrorContains(t, err, "no go.mod")
}

func TestFailedBuildSaysWhyAndLeavesNoTool(t *testing.T) {
	var progress strings.Builder
	b := builder{
		module:     module{dir: t.TempDir()},
		kubernetes: "v1.2.3",
		dir:        filepath.Join(t.TempDir(), "bin"),
		progress:   &progress,
	}
	err := b.build(t.Context(), []string{kubectl})
	require.ErrorContains(t, err, "build kubectl (1 of 1): go exited with code 1")
	require.ErrorContains(t, err, "go.mod", "what go says")
	assert.NoFileExists(t, filepath.Join(b.dir, kubectl))
	assert.Contains(t, progress.String(), "five minutes")
}

func TestLockWaitsForItsHolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := lockFile(t.Context(), path, nil)
	require.NoError(t, err)

	waits := 0
	ctx, cancel := context.WithTimeout(t.Context(), 3*lockInterval)
	defer cancel()
	_, err = lockFile(ctx, path, func() { waits++ })
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.Equal(t, 1, waits, "says once that it waits")

	timer := time.AfterFunc(lockInterval, func() { _ = unlock() })
	defer timer.Stop()
	again, err := lockFile(t.Context(), path, nil)
	require.NoError(t, err)
	assert.NoError(t, again())
}

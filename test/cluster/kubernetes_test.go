package cluster

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAnotherReleaseIsBuiltBesideTheOneOfTheModule(t *testing.T) {
	usual, err := newBuilder(nil)
	require.NoError(t, err)
	t.Setenv(VersionVariable, "1.30.14")
	other, err := newBuilder(nil)
	require.NoError(t, err)
	assert.Contains(t, filepath.Base(other.dir), "kubernetes-v1.30.14_etcd-")
	assert.Contains(t, other.linkerFlags(kubectl), "gitVersion=v1.30.14")
	assert.NotEqual(t, usual.sourceOf(kubeAPIServer), other.sourceOf(kubeAPIServer))
	assert.Contains(t, other.environment(kubeAPIServer), "GOFLAGS=-mod=mod")
	assert.Equal(t, usual.sourceOf(etcd), other.sourceOf(etcd), "one etcd serves all")

	t.Setenv(VersionVariable, usual.kubernetes)
	same, err := newBuilder(nil)
	require.NoError(t, err)
	assert.Equal(t, usual, same)

	t.Setenv(VersionVariable, "1.30")
	_, err = newBuilder(nil)
	assert.ErrorContains(t, err, `"1.30" is not a release such as 1.30.14`)
}

func TestReadyMadeBinariesAreNotTakenForAnotherRelease(t *testing.T) {
	t.Setenv(AssetsVariable, t.TempDir())
	assert.Equal(t, os.Getenv(AssetsVariable), assets())
	t.Setenv(VersionVariable, "1.30.14")
	assert.Empty(t, assets())
}

func TestAReleaseIsBuiltFromItsOwnPartsWithItsOwnDefaults(t *testing.T) {
	original := `module k8s.io/kubernetes

go 1.26.0

godebug default=go1.26

require (
	github.com/google/cel-go v0.26.0
	k8s.io/api v0.0.0
	k8s.io/client-go v0.0.0
	k8s.io/klog/v2 v2.140.0
)

replace k8s.io/api => ./staging/src/k8s.io/api
`
	parts, err := partsOf([]byte(original))
	require.NoError(t, err)
	assert.Equal(t, []string{"k8s.io/api", "k8s.io/client-go"}, parts)
	got, err := releaseModule([]byte(original), "v1.37.2", map[string]string{"k8s.io/api": "v0.37.2", "k8s.io/client-go": "v0.37.1"})
	require.NoError(t, err)
	assert.Equal(t, `module kube-aws-iam-controller/test/kubernetes

go 1.26.0

godebug default=go1.26

require k8s.io/kubernetes v1.37.2

replace k8s.io/api => k8s.io/api v0.37.2

replace k8s.io/client-go => k8s.io/client-go v0.37.1
`, string(got))
}

func TestAPartThatIsNotAvailableIsOfTheNearestPatchBefore(t *testing.T) {
	for name, tc := range map[string]struct {
		available []string
		want      string
	}{
		"its own":       {[]string{"v0.31.13", "v0.31.14"}, "v0.31.14"},
		"one before":    {[]string{"v0.30.14", "v0.31.0", "v0.31.9", "v0.31.12", "v0.31.15", "v0.32.0"}, "v0.31.12"},
		"the first":     {[]string{"v0.31.0"}, "v0.31.0"},
		"another minor": {[]string{"v0.30.14", "v0.32.0"}, "v0.31.14"},
		"none":          {nil, "v0.31.14"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := availableVersion(partVersion("v1.31.14"), func(version string) error {
				if slices.Contains(tc.available, version) {
					return nil
				}
				return errNotServed
			})
			require.NoError(t, err)
			assert.Equal(t, tc.want, got)
		})
	}
	away := errors.New("connection refused")
	_, err := availableVersion("v0.31.14", func(string) error { return away })
	assert.ErrorIs(t, err, away, "who cannot be asked does not say that there is none")
}

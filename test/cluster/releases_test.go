package cluster

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTheNewestPatchOfEachSupportedMinorIsARelease(t *testing.T) {
	known := []string{"v1.4.0", "v1.29.15", "v1.30.9", "v1.30.14", "v1.30.15-rc.0", "v1.31.2", "v1.31.10", "v1.32.0", "v1.32.1", "v1.33.0-alpha.1", "v1.33.0"}
	assert.Equal(t, []string{"1.30.14", "1.31.10", "1.32.0"}, newestPatches(known, "v1.32.0"), "of the newest the one that is given")
	assert.Equal(t, []string{"1.30.14", "1.31.10", "1.32.1", "1.33.0"}, newestPatches(known, "v1.33.0"))
}

func TestTheDefaultReleaseIsThatOfTheModule(t *testing.T) {
	m, err := findModule()
	require.NoError(t, err)
	release, err := DefaultRelease()
	require.NoError(t, err)
	assert.Equal(t, m.versions[kubernetesModule], "v"+release)
}

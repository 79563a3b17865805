package trust

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestExternalID(t *testing.T) {
	assert.Equal(t, "team-a/prod", ExternalID("team-a", "prod"))
	assert.Equal(t, "team-a/", ExternalID("team-a", ""))
}

func TestCheckClusterName(t *testing.T) {
	for _, good := range []string{"", "a", "9", "prod.eu-1_x", strings.Repeat("x", 100)} {
		require.NoError(t, CheckClusterName(good), good)
	}
	for _, bad := range []string{"-a", ".a", "_a", "a/b", "a b", "a\n", "ä", "a*", "${aws:username}", strings.Repeat("x", 101)} {
		assert.ErrorContains(t, CheckClusterName(bad), "cluster name ", bad)
	}
}

func FuzzExternalID(f *testing.F) {
	f.Add("ns", "cluster", "n", "s/cluster")
	f.Fuzz(func(t *testing.T, namespace1, cluster1, namespace2, cluster2 string) {
		for _, namespace := range []string{namespace1, namespace2} {
			if strings.Contains(namespace, "/") || CheckClusterName(cluster1) != nil || CheckClusterName(cluster2) != nil {
				return // the API server has no such namespace, the controller no such cluster
			}
		}
		same := namespace1 == namespace2 && cluster1 == cluster2
		assert.Equal(t, same, ExternalID(namespace1, cluster1) == ExternalID(namespace2, cluster2))
	})
}

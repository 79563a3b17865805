// Package plugin runs the kubectl plugin against a real API server.
package plugin

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/test/cluster"
	"kube-aws-iam-controller/test/kit"
)

// shared is a control plane of this package's own: the tests install controllers, as the plugin looks for them everywhere.
var shared = cluster.Shared{Apart: true}

func TestMain(m *testing.M) { os.Exit(shared.Run(m)) }

// within is how long what happens at once may take on a busy machine.
const within = 2 * kit.Within

// startAlone starts a control plane of one test's own, and AWS.
func startAlone(t *testing.T, options cluster.Options) (*cluster.Cluster, *kit.AWS) {
	t.Helper()
	shared.Get(t) // binaries are there by now
	control, err := cluster.Start(t.Context(), options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, control.Stop()) })
	aws, err := kit.StartAWS(t.Context(), "/")
	require.NoError(t, err)
	t.Cleanup(aws.Close)
	return control, aws
}

// Package plugin runs the kubectl plugin against a real API server.
package plugin

import (
	"os"
	"testing"

	"kube-aws-iam-controller/test/cluster"
	"kube-aws-iam-controller/test/kit"
)

// shared is a control plane of this package's own: the tests install controllers, as the plugin looks for them everywhere.
var shared = cluster.Shared{Apart: true}

func TestMain(m *testing.M) { os.Exit(shared.Run(m)) }

// within is how long what happens at once may take on a busy machine.
const within = 2 * kit.Within

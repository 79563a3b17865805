package admission

import (
	"testing"

	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/test/system"
)

func TestThePolicyGivesPodsWhatTheCasesSay(t *testing.T) {
	w := newWorld(t)
	policy := system.PolicyComponent(image, "")
	require.NoError(t, policy.Apply(t.Context(), w.Access))
	w.await(t, true)
	t.Run("without a default Region", func(t *testing.T) { w.compare(t, "") })

	t.Run("a debugger", w.debug)
	t.Run("a huge pod", w.huge)
	t.Run("a pod of many containers", w.crowd)
	require.NoError(t, system.PolicyComponent(image, "eu-west-1").Apply(t.Context(), w.Access))
	w.awaitRegion(t, "eu-west-1")
	t.Run("with a default Region", func(t *testing.T) { w.compare(t, "eu-west-1") })

	require.NoError(t, policy.Delete(t.Context(), w.Access))
	w.await(t, false)
}

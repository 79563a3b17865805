package admission

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/test/kit"
)

func TestThePolicyGivesPodsWhatTheCasesSay(t *testing.T) {
	w := newWorld(t)
	for i, settings := range w.Settings() {
		policy := kit.PolicyComponent(image, settings.Variables())
		require.NoError(t, policy.Apply(t.Context(), w.Access))
		w.Await(t, true)
		t.Run(fmt.Sprint(settings.Variables()), func(t *testing.T) { w.Compare(t, settings) })
		if i == 0 {
			t.Run("a debugger", w.debug)
			t.Run("a huge pod", w.huge)
			t.Run("a pod of many containers", w.crowd)
			t.Run("a pod with as much as it may have", w.limits)
			t.Run("a namespace with quotas", w.fits)
		}
		require.NoError(t, policy.Delete(t.Context(), w.Access))
		w.Await(t, false)
	}
}

package admission

import (
	"fmt"
	"testing"
)

func TestThePolicyGivesPodsWhatTheWebhookDoes(t *testing.T) {
	w := newWorld(t)
	w.apply(t, "admission-policy", settings(""))
	w.await(t, true)
	t.Run("without a default Region", func(t *testing.T) { w.compare(t, "") })

	w.apply(t, "admission-policy", settings("eu-west-1"))
	w.awaitRegion(t, "eu-west-1")
	t.Run("with a default Region", func(t *testing.T) { w.compare(t, "eu-west-1") })

	w.kustomize(t, "delete", "admission-policy")
	w.await(t, false)
}

// settings is how an installer sets the policy's.
func settings(region string) string {
	return fmt.Sprintf(`  - target: {kind: MutatingAdmissionPolicy}
    patch: |
      - {op: replace, path: /spec/variables/0/expression, value: "'%s'"}
      - {op: replace, path: /spec/variables/1/expression, value: "'%s'"}
`, image, region)
}

package attacks

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"testing"

	"kube-aws-iam-controller/test/kit"
)

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

// installations are what is set up in turn, and what is tried on each. In a short run it is the one with the guard, on
// which most is tried.
var installations = []struct {
	name     string
	settings settings
	attacks  [][]attack
}{
	{"as it is installed", settings{}, [][]attack{roleAttacks, controllerAttacks, secretAttacks, podAttacks, kubernetesAttacks, ownRoleAttacks, shippedAttacks, labelAttacks, thiefAttacks, metricsAttacks}},
	{"with the guard", settings{guarded: true}, [][]attack{roleAttacks, controllerAttacks, secretAttacks, podAttacks, kubernetesAttacks, ownRoleAttacks, shippedAttacks, labelAttacks, thiefAttacks, metricsAttacks}},
	{"as it is installed, for what roles trust", settings{}, [][]attack{trustAttacks}},
	{"under EKS Pod Identity with session tags", settings{podIdentity: true}, [][]attack{podIdentityAttacks}},
	{"under strict rules", settings{
		rules: true, components: []string{"namespace-rules"}, args: []string{"--namespace-restrictions", "--require-external-id", "--session-tags"},
	}, [][]attack{strictAttacks, creatorAttacks}},
	{"with the webhook", settings{webhook: true}, [][]attack{webhookSecrets, webhookAttacks}},
	{"with the webhook, beside a version before", settings{webhook: true, outdated: true}, [][]attack{webhookAttacks}},
	{"from the network", settings{}, [][]attack{networkAttacks}},
	{"through an intermediate role", settings{through: "through"}, [][]attack{throughAttacks}},
	{"with few roles", settings{args: []string{fmt.Sprintf("--max-roles-per-namespace=%d", fewRoles)}}, [][]attack{countAttacks}},
	{"with few requests", settings{slow: true}, [][]attack{shareAttacks}},
}

func TestAttacks(t *testing.T) {
	for _, each := range installations {
		t.Run(each.name, func(t *testing.T) {
			if !each.settings.guarded {
				kit.FullOnly(t, "a further installation")
			}
			run(t, each.settings, slices.Concat(each.attacks...))
		})
	}
}

package chart

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	k8slabels "k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
)

func TestWhatBecomesOfManagedRolesIsTheInstallersChoice(t *testing.T) {
	for values, want := range map[string]string{
		`{clusterName: c}`: "- --managed-roles=retain", `{clusterName: c, uninstall: {managedRoles: delete}}`: "- --managed-roles=delete",
	} {
		assert.Contains(t, text(t, render(t, values).Hooks, "Job", "kube-aws-iam-controller-uninstall"), want)
	}
	_, found := find(render(t, `{clusterName: c, uninstall: {enabled: false}}`).Hooks, "Job", "kube-aws-iam-controller-uninstall")
	assert.False(t, found)
}

func TestTheNetworkPolicySelectsThePodsOfTheUninstallJob(t *testing.T) {
	rendered := render(t, `{clusterName: c, podLabels: {team: a}}`)
	object, found := find(rendered.Objects, "NetworkPolicy", Name)
	require.True(t, found)
	var policy networkingv1.NetworkPolicy
	require.NoError(t, runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &policy))
	selector, err := metav1.LabelSelectorAsSelector(&policy.Spec.PodSelector)
	require.NoError(t, err)
	for kind, name := range map[string]string{"Deployment": Name, "Job": Name + "-uninstall"} {
		object, found = find(slices.Concat(rendered.Objects, rendered.Hooks), kind, name)
		require.True(t, found, name)
		pods, _, err := unstructured.NestedStringMap(object.Object, "spec", "template", "metadata", "labels")
		require.NoError(t, err)
		assert.True(t, selector.Matches(k8slabels.Set(pods)), "%s: %v", name, pods)
	}
}

func TestTheUninstallJobMayReadTheSettingsThatTheInstallerAdds(t *testing.T) {
	rendered := render(t, `{clusterName: c, extraEnvFrom: [{configMapRef: {name: more}}, {secretRef: {name: keys}}]}`)
	role := text(t, rendered.Hooks, "Role", Name+"-uninstall")
	assert.Contains(t, role, "- more\n")
	assert.NotContains(t, role, "keys")
}

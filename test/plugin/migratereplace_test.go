package plugin

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/test/kit"
)

// Objects that kubectl apply has not made keep what a manifest no longer has, as the plan says.
func TestMigratedObjectsThatWereNotAppliedAreReplaced(t *testing.T) {
	control := shared.Get(t)
	_, err := kit.Install(t.Context(), control.Access)
	require.NoError(t, err)
	namespace := control.NewNamespace(t)
	for _, file := range exampleFiles(t, "awsiamrole", namespace) {
		if strings.HasSuffix(file, ".yaml") {
			_, err = control.Kubectl(t.Context(), "create", "-f", file)
			require.NoError(t, err)
		}
	}
	printed, plan, _ := runMigrate(t, control, "--from-cluster", "-n", namespace, "--only", "Deployment")
	assert.Contains(t, plan, "kubectl apply takes off what a manifest no longer has only from objects that it has made: use kubectl replace for others.")
	volumes := func() (names []string) {
		found, failed := control.Client().AppsV1().Deployments(namespace).Get(t.Context(), "app", metav1.GetOptions{})
		require.NoError(t, failed)
		for _, volume := range found.Spec.Template.Spec.Volumes {
			names = append(names, volume.Name)
		}
		return names
	}
	_, err = control.KubectlInput(t.Context(), strings.NewReader(printed), "apply", "-f", "-")
	require.NoError(t, err, printed)
	assert.Contains(t, volumes(), "aws-iam-credentials")
	_, err = control.KubectlInput(t.Context(), strings.NewReader(printed), "replace", "-f", "-")
	require.NoError(t, err, printed)
	assert.Equal(t, []string{"data"}, volumes())
}

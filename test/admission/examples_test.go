package admission

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/test/cluster"
	"kube-aws-iam-controller/test/kit"
)

func TestTheQuotaBoundsServiceAccounts(t *testing.T) {
	control := shared.Get(t)
	root, err := cluster.Root()
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(root, "examples", "resourcequota.yaml"))
	require.NoError(t, err)
	namespace, core := control.NewNamespace(t), control.Client().CoreV1()
	ours := strings.Replace(string(text), "namespace: demo", "namespace: "+namespace, 1)
	_, err = control.KubectlInput(t.Context(), strings.NewReader(ours), "create", "-f", "-")
	require.NoError(t, err)
	create := func(ctx context.Context, name string) error {
		_, failed := core.ServiceAccounts(namespace).Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
		return failed
	}
	require.NoError(t, kit.Eventually(t.Context(), within, func(ctx context.Context) error {
		quota, failed := core.ResourceQuotas(namespace).Get(ctx, "serviceaccounts", metav1.GetOptions{})
		if failed != nil {
			return failed
		}
		if used := quota.Status.Used["count/serviceaccounts"]; used.Value() != 1 { // default
			return errors.New("the quota has not counted yet")
		}
		return nil
	}))
	for i := range 49 {
		require.NoError(t, create(t.Context(), fmt.Sprintf("app-%d", i)))
	}
	err = create(t.Context(), "one-more")
	assert.True(t, apierrors.IsForbidden(err), "%v", err)
	require.ErrorContains(t, err, "exceeded quota: serviceaccounts, requested: count/serviceaccounts=1, used: count/serviceaccounts=50, limited: count/serviceaccounts=50")
}

func TestTheAPIServerAcceptsTheExamples(t *testing.T) {
	control := shared.Get(t)
	root, err := cluster.Root()
	require.NoError(t, err)
	_, err = control.Kubectl(t.Context(), "apply", "--dry-run=server", "-k", filepath.Join(root, "examples", "install"))
	require.NoError(t, err)
	// Its namespace is the reader's to make, and the API server would miss it.
	dir := t.TempDir()
	example, err := filepath.Rel(dir, filepath.Join(root, "examples", "install-namespaced"))
	require.NoError(t, err)
	text := "namespace: " + control.NewNamespace(t) + "\nresources: [" + example + "]\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(text), 0o600))
	_, err = control.Kubectl(t.Context(), "apply", "--dry-run=server", "-k", dir)
	require.NoError(t, err)
	deployments, err := filepath.Glob(filepath.Join(root, "examples", "deployments", "*.yaml"))
	require.NoError(t, err)
	assert.Len(t, deployments, 5)
	for _, path := range append(deployments, filepath.Join(root, "examples", "pod.yaml"), filepath.Join(root, "examples", "awsiamrole-pod.yaml")) {
		// Their namespace is the reader's to make.
		_, err = control.Kubectl(t.Context(), "apply", "--dry-run=client", "--validate=strict", "-f", path)
		assert.NoError(t, err, path)
	}
}

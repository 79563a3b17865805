package admission

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/test/kit"
)

// serve runs a controller for the namespace under the guard, and returns the AWS that it asks.
func (g *guarded) serve() *kit.AWS {
	g.t.Helper()
	ctx := g.t.Context()
	kubeconfig, err := kit.Install(ctx, g.Access)
	require.NoError(g.t, err)
	binary, err := kit.Binary()
	require.NoError(g.t, err)
	aws, err := kit.StartAWS(ctx, "/")
	require.NoError(g.t, err)
	g.t.Cleanup(aws.Close)
	_, err = aws.Role(kit.AccountID, "", "app", g.namespace+"/test")
	require.NoError(g.t, err)
	c, err := kit.StartController(ctx, kit.Options{
		Binary: binary, Kubeconfig: kubeconfig, Log: filepath.Join(g.t.TempDir(), "controller.log"),
		Env: append(aws.ControllerEnv(), "KUBE_AWS_IAM_CLUSTER_NAME=test"), Args: []string{"--namespace=" + g.namespace, "--permissions-boundary=" + aws.Boundary},
	})
	require.NoError(g.t, err)
	g.t.Cleanup(c.Kill)
	require.NoError(g.t, c.WaitReady(ctx, within))
	return aws
}

// issued waits for the Secret of the ServiceAccount app, another one than before's.
func (g *guarded) issued(before *corev1.Secret) *corev1.Secret {
	g.t.Helper()
	var found *corev1.Secret
	require.NoError(g.t, kit.Eventually(g.t.Context(), within, func(ctx context.Context) (err error) {
		found, err = g.Client().CoreV1().Secrets(g.namespace).Get(ctx, "app.aws-iam", metav1.GetOptions{})
		if err == nil && before != nil && found.UID == before.UID {
			err = errors.New("it is the Secret from before")
		}
		return err
	}))
	return found
}

func TestUnderTheGuardWhoeverMayDeleteASecretForcesARenewal(t *testing.T) {
	g := newGuarded(t)
	aws := g.serve()
	require.NoError(t, g.patch("serviceaccount", "app", `{"metadata":{"annotations":{"iam.amazonaws.com/role":"app"}}}`))
	before := g.issued(nil)
	require.NoError(t, g.tenant.CoreV1().Secrets(g.namespace).Delete(t.Context(), "app.aws-iam", metav1.DeleteOptions{}))
	after := g.issued(before)
	assert.NotEqual(t, before.Data["credentials.json"], after.Data["credentials.json"], "of another session")
	assert.Equal(t, before.Labels, after.Labels)
	assert.Equal(t, before.OwnerReferences, after.OwnerReferences)
	assert.Equal(t, 2, aws.Counts()["AssumeRole"])
}

package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/kube"
	"helm.sh/helm/v4/pkg/storage/driver"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/test/chart"
	"kube-aws-iam-controller/test/kit"
)

// rolePath is where the managed roles of the cluster are.
const rolePath = "/kube-aws-iam-controller/e2e/"

// release installs the chart as helm install --wait does, and uninstalls it at the end if the test has not.
func release(t *testing.T) *world {
	t.Helper()
	if unsupported != nil {
		t.Skip(unsupported)
	}
	w := &world{Node: shared, t: t, aws: sharedAWS}
	require.NoError(t, w.aws.ServeCluster(t.Context(), "e2e"))
	w.credentialsSecret()
	loaded, err := chart.Load()
	require.NoError(t, err)
	install := action.NewInstall(w.helm())
	install.ReleaseName, install.Namespace, install.Timeout, install.WaitStrategy = kit.Account, kit.Namespace, within, kube.StatusWatcherStrategy
	t.Cleanup(func() {
		w.explain()
		if left := w.uninstall(); !errors.Is(left, driver.ErrReleaseNotFound) {
			assert.NoError(t, left)
		}
		w.awaitNoPods()
	})
	_, err = install.RunWithContext(t.Context(), loaded, w.values())
	require.NoError(t, err)
	w.namespace = w.NewNamespace(t)
	w.testRelease()
	return w
}

// testRelease is helm test.
func (w *world) testRelease() {
	w.t.Helper()
	tests := action.NewReleaseTesting(w.helm())
	tests.Namespace, tests.Timeout = kit.Namespace, within
	_, shutdown, err := tests.Run(kit.Account)
	if assert.NoError(w.t, err) {
		assert.NoError(w.t, shutdown())
		return
	}
	for _, container := range []string{"check", "trust-policy"} {
		log, unread := w.Client().CoreV1().Pods(kit.Namespace).
			GetLogs("kube-aws-iam-controller-test", &corev1.PodLogOptions{Container: container}).DoRaw(w.t.Context())
		w.t.Logf("helm test, container %s: %v\n%s", container, unread, log)
	}
	w.t.FailNow()
}

// values are those that the node, simulated AWS and the image of the tests need, and what the test is about.
func (w *world) values() map[string]any {
	var endpoints []any
	for _, pair := range w.aws.EndpointEnv() {
		name, value, _ := strings.Cut(pair, "=")
		endpoints = append(endpoints, map[string]any{"name": name, "value": value})
	}
	repository, tag, _ := strings.Cut(controllerImage, ":")
	return map[string]any{
		"clusterName": "e2e", "image": map[string]any{"repository": repository, "tag": tag},
		"managedRoles": map[string]any{"permissionsBoundary": w.aws.Boundary},
		"admission":    map[string]any{"mode": "webhook"}, "crds": map[string]any{"keep": false},
		"uninstall":    map[string]any{"managedRoles": "delete"},
		"extraEnv":     endpoints,
		"extraEnvFrom": []any{map[string]any{"secretRef": map[string]any{"name": "kube-aws-iam-controller-credentials"}}},
	}
}

// credentialsSecret has the controller's own credentials as environment variables.
func (w *world) credentialsSecret() {
	w.t.Helper()
	creds, secrets := w.aws.Credentials(), w.Client().CoreV1().Secrets(kit.Namespace)
	made, err := secrets.Create(w.t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "kube-aws-iam-controller-credentials"},
		StringData: map[string]string{
			"AWS_ACCESS_KEY_ID": creds.AccessKeyID, "AWS_SECRET_ACCESS_KEY": creds.SecretAccessKey, "AWS_SESSION_TOKEN": creds.SessionToken,
		},
	}, metav1.CreateOptions{})
	require.NoError(w.t, err)
	w.t.Cleanup(func() {
		assert.NoError(w.t, secrets.Delete(context.Background(), made.Name, metav1.DeleteOptions{}))
	})
}

func (w *world) helm() *action.Configuration {
	w.t.Helper()
	c, err := chart.Helm{Kubeconfig: w.AdminKubeconfig(), Namespace: kit.Namespace}.Configuration()
	require.NoError(w.t, err)
	return c
}

// uninstall is helm uninstall --wait.
func (w *world) uninstall() error {
	uninstall := action.NewUninstall(w.helm())
	uninstall.Timeout, uninstall.WaitStrategy, uninstall.DeletionPropagation = within, kube.StatusWatcherStrategy, "background"
	_, err := uninstall.Run(kit.Account)
	return err
}

// leavesNothing shows that nothing of the controller is left in the way of anybody once it is uninstalled, although there
// was a managed role and the guard was in force.
func (w *world) leavesNothing() {
	w.t.Helper()
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/*"}]}`
	accounts := w.Client().CoreV1().ServiceAccounts(w.namespace)
	_, err := accounts.Create(w.t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{
		Name: "managed", Annotations: map[string]string{"iam.amazonaws.com/role-policy": policy, "iam.amazonaws.com/region": "eu-central-1"},
	}}, metav1.CreateOptions{})
	require.NoError(w.t, err)
	require.NoError(w.t, w.pod("managed", "managed", shellImage))
	w.eventually(func(ctx context.Context) error {
		log, unread := w.log(ctx, "managed")
		if want := "session 1 is arn:aws:sts::" + kit.AccountID + ":assumed-role/" + w.namespace + "."; unread == nil && !strings.Contains(log, want) {
			return fmt.Errorf("pod managed does not say %q: %s", want, log)
		}
		return unread
	})
	require.NotEmpty(w.t, w.managedRoles())

	require.NoError(w.t, w.uninstall())
	w.awaitNoPods()
	assert.Empty(w.t, w.managedRoles())
	account, err := accounts.Get(w.t.Context(), "managed", metav1.GetOptions{})
	require.NoError(w.t, err)
	assert.Empty(w.t, account.Finalizers)
	require.NoError(w.t, accounts.Delete(w.t.Context(), "managed", metav1.DeleteOptions{}))
	_, err = accounts.Get(w.t.Context(), "managed", metav1.GetOptions{})
	assert.True(w.t, apierrors.IsNotFound(err), "it waits for nothing: %v", err)
	jobs, err := w.Client().BatchV1().Jobs(kit.Namespace).List(w.t.Context(), metav1.ListOptions{})
	require.NoError(w.t, err)
	assert.Empty(w.t, jobs.Items)
}

func (w *world) managedRoles() []string {
	w.t.Helper()
	client, err := w.aws.Admin()
	require.NoError(w.t, err)
	out, err := client.ListRoles(w.t.Context(), &iam.ListRolesInput{PathPrefix: new(rolePath)})
	require.NoError(w.t, err)
	var names []string
	for i := range out.Roles {
		names = append(names, *out.Roles[i].RoleName)
	}
	return names
}

package cluster_test

import (
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"

	"kube-aws-iam-controller/test/cluster"
)

// maxBackoff is how long the slowest of things may take on a busy machine, and interval how often a test looks.
const (
	patience = time.Minute
	interval = 50 * time.Millisecond
)

var shared = cluster.Shared{Options: cluster.Options{Audit: true}}

func TestMain(m *testing.M) { os.Exit(shared.Run(m)) }

func TestSecretGoesWithItsServiceAccount(t *testing.T) {
	control := shared.Get(t)
	namespace := control.NewNamespace(t)
	core := control.Client().CoreV1()

	account, err := core.ServiceAccounts(namespace).Create(t.Context(),
		&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "app"}}, metav1.CreateOptions{})
	require.NoError(t, err)
	owner := metav1.OwnerReference{APIVersion: "v1", Kind: "ServiceAccount", Name: account.Name, UID: account.UID}
	createSecret(t, control, namespace, "owned", owner)
	createSecret(t, control, namespace, "free")

	require.NoError(t, core.ServiceAccounts(namespace).Delete(t.Context(), account.Name, metav1.DeleteOptions{}))

	require.Eventually(t, func() bool {
		_, getErr := core.Secrets(namespace).Get(t.Context(), "owned", metav1.GetOptions{})
		return apierrors.IsNotFound(getErr)
	}, patience, interval, "the Secret outlives its owner")
	_, err = core.Secrets(namespace).Get(t.Context(), "free", metav1.GetOptions{})
	assert.NoError(t, err, "a Secret without an owner stays")
}

func TestInformerRecoversFromRestartOfAPIServer(t *testing.T) {
	control := shared.Get(t)
	namespace := control.NewNamespace(t)
	seen := watchSecrets(t, control, namespace)
	createSecret(t, control, namespace, "before")
	require.Eventually(t, func() bool { return seen("before") }, patience, interval)

	pid := control.APIServer.PID()
	control.APIServer.Kill()
	_, err := control.Client().Discovery().ServerVersion()
	require.Error(t, err, "the API server is down")
	require.NoError(t, control.APIServer.Start(t.Context()))
	assert.NotEqual(t, pid, control.APIServer.PID())

	createSecret(t, control, namespace, "after")
	assert.Eventually(t, func() bool { return seen("before") && seen("after") }, patience, interval)
}

func TestObjectsOutliveEtcd(t *testing.T) {
	control := shared.Get(t)
	namespace := control.NewNamespace(t)
	createSecret(t, control, namespace, "kept")

	control.Etcd.Kill()
	require.NoError(t, control.Etcd.Start(t.Context()))
	require.NoError(t, control.APIServer.WaitReady(t.Context()))

	_, err := control.Client().CoreV1().Secrets(namespace).Get(t.Context(), "kept", metav1.GetOptions{})
	assert.NoError(t, err)
}

func TestStartOfControllerManagerWaitsForWhatItDoes(t *testing.T) {
	control := shared.Get(t)
	certificates := control.Client().CoreV1().ConfigMaps(metav1.NamespaceDefault)
	before, err := certificates.Get(t.Context(), "kube-root-ca.crt", metav1.GetOptions{})
	require.NoError(t, err)

	control.ControllerManager.Kill()
	require.ErrorContains(t, control.ControllerManager.WaitReady(t.Context()), "the process has ended")

	require.NoError(t, control.ControllerManager.Start(t.Context()))
	after, err := certificates.Get(t.Context(), "kube-root-ca.crt", metav1.GetOptions{})
	require.NoError(t, err)
	assert.NotEqual(t, before.UID, after.UID, "the new process has published the certificate")
}

func TestStopLeavesOnlyTheDirectoryGiven(t *testing.T) {
	options := cluster.Options{Dir: t.TempDir()}
	first := startStop(t, options, func(control *cluster.Cluster) {
		createSecret(t, control, metav1.NamespaceDefault, "kept")
	})
	assert.FileExists(t, first.AdminKubeconfig())

	startStop(t, options, func(control *cluster.Cluster) {
		_, err := control.Client().CoreV1().Secrets(metav1.NamespaceDefault).Get(t.Context(), "kept", metav1.GetOptions{})
		assert.NoError(t, err, "the same directory holds the same objects")
	})
}

func TestStopRemovesTemporaryDirectory(t *testing.T) {
	control := startStop(t, cluster.Options{WithoutControllerManager: true}, func(control *cluster.Cluster) {
		assert.FileExists(t, control.AdminKubeconfig())
	})
	assert.NoDirExists(t, control.LogsDir())
	assert.NoFileExists(t, control.AdminKubeconfig())
}

func TestStartShowsWhatABrokenComponentSays(t *testing.T) {
	_, err := cluster.Start(t.Context(), cluster.Options{APIServerFlags: []string{"--no-such-flag"}})
	require.ErrorContains(t, err, "kube-apiserver")
	require.ErrorContains(t, err, "the process has ended")
	assert.ErrorContains(t, err, "unknown flag: --no-such-flag")
}

// startStop runs a control plane for as long as use takes, and checks that its processes are gone afterwards.
func startStop(t *testing.T, options cluster.Options, use func(*cluster.Cluster)) *cluster.Cluster {
	t.Helper()
	begin := time.Now()
	control, err := cluster.Start(t.Context(), options)
	require.NoError(t, err)
	t.Logf("ready after %s", time.Since(begin))
	pids := []int{control.Etcd.PID(), control.APIServer.PID()}
	if control.ControllerManager != nil {
		pids = append(pids, control.ControllerManager.PID())
	}
	use(control)
	require.NoError(t, control.Stop())
	for _, pid := range pids {
		assert.ErrorIs(t, syscall.Kill(pid, 0), syscall.ESRCH, "process %d is left", pid)
	}
	return control
}

func createSecret(t *testing.T, control *cluster.Cluster, namespace, name string, owners ...metav1.OwnerReference) {
	t.Helper()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name, OwnerReferences: owners}}
	_, err := control.Client().CoreV1().Secrets(namespace).Create(t.Context(), secret, metav1.CreateOptions{})
	require.NoError(t, err)
}

// watchSecrets starts an informer and reports whether it holds a Secret.
func watchSecrets(t *testing.T, control *cluster.Cluster, namespace string) func(name string) bool {
	t.Helper()
	factory := informers.NewSharedInformerFactoryWithOptions(control.Client(), 0, informers.WithNamespace(namespace))
	informer := factory.Core().V1().Secrets()
	synced := informer.Informer().HasSynced
	factory.Start(t.Context().Done())
	require.True(t, cache.WaitForCacheSync(t.Context().Done(), synced))
	return func(name string) bool {
		_, err := informer.Lister().Secrets(namespace).Get(name)
		return err == nil
	}
}

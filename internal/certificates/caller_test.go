package certificates

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
)

const plain = "/mutate-pods"

// called returns the path or URL of each webhook in the configuration.
func called(t *testing.T, client *fake.Clientset) (paths []string) {
	t.Helper()
	for _, webhook := range configured(t, client).Webhooks {
		if webhook.ClientConfig.URL != nil {
			paths = append(paths, *webhook.ClientConfig.URL)
		} else {
			paths = append(paths, *webhook.ClientConfig.Service.Path)
		}
	}
	return paths
}

// configured returns the MutatingWebhookConfiguration.
func configured(t *testing.T, client *fake.Clientset) *admissionregistrationv1.MutatingWebhookConfiguration {
	t.Helper()
	found, err := client.AdmissionregistrationV1().MutatingWebhookConfigurations().Get(t.Context(), "webhook", metav1.GetOptions{})
	require.NoError(t, err)
	return found
}

// replicas is a Keeper of a configuration with a Service and a URL, and the number of
// replicas of older versions that it sees.
type replicas struct {
	*Keeper

	client   *fake.Clientset
	outdated int
	unknown  error
}

func newReplicas(t *testing.T) *replicas {
	t.Helper()
	client, k := cluster()
	found := configured(t, client)
	found.Webhooks[0].ClientConfig.Service = &admissionregistrationv1.ServiceReference{Namespace: "kube-system", Name: "webhook", Path: new(plain)}
	found.Webhooks[1].ClientConfig.URL = new("https://localhost:8443" + plain)
	_, err := client.AdmissionregistrationV1().MutatingWebhookConfigurations().Update(t.Context(), found, metav1.UpdateOptions{})
	require.NoError(t, err)
	r := &replicas{Keeper: k, client: client}
	k.Outdated = func() (int, error) { return r.outdated, r.unknown }
	return r
}

// syncPaths runs a sync and returns the configured paths.
func (r *replicas) syncPaths(t *testing.T) []string {
	t.Helper()
	_, err := r.sync(t.Context())
	require.NoError(t, err)
	return called(t, r.client)
}

// plainPaths are the configured paths without a token.
var plainPaths = []string{plain, "https://localhost:8443" + plain}

func TestKeeperIdentifiesAPIServerByToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReplicas(t)
		paths := r.syncPaths(t)
		token := r.callers.current()
		require.Len(t, token, 40)
		assert.Equal(t, []string{plain + "/" + token, "https://localhost:8443" + plain + "/" + token}, paths)
		service := configured(t, r.client).Webhooks[0].ClientConfig.Service
		assert.Equal(t, "kube-system/webhook", service.Namespace+"/"+service.Name)
		assert.True(t, r.Known(paths[0]))
		for _, path := range []string{"/", plain, plain + "/", plain + "/" + token + "x", plain + "/" + token[1:], token, "/x/" + token} {
			assert.False(t, r.Known(path), path)
			assert.True(t, r.Open(t.Context(), path), "an API server may not have seen the token yet")
		}
		time.Sleep(transition)
		start := time.Now()
		assert.False(t, r.Open(t.Context(), plain))
		assert.Equal(t, refusalDelay, time.Since(start))
		writes := len(r.client.Actions())
		r.syncPaths(t)
		assert.Len(t, r.client.Actions(), writes+3, "two reads by sync, one by this test, no writes")
	})
}

func TestPathHasNoTokenWhileReplicasAreOutdated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReplicas(t)
		r.unknown = errors.New("not filled yet")
		assert.Equal(t, plainPaths, r.syncPaths(t))
		r.unknown, r.outdated = nil, 1
		assert.Equal(t, plainPaths, r.syncPaths(t))
		time.Sleep(time.Hour)
		assert.True(t, r.Open(t.Context(), plain))
		r.outdated = 0
		paths := r.syncPaths(t)
		assert.NotEqual(t, plainPaths, paths)
		time.Sleep(time.Hour)
		assert.False(t, r.Open(t.Context(), plain))
		r.unknown = errors.New("away")
		assert.Equal(t, paths, r.syncPaths(t), "an unknown count changes nothing")
		assert.False(t, r.Open(t.Context(), plain))
		r.unknown, r.outdated = nil, 1
		assert.Equal(t, plainPaths, r.syncPaths(t), "rollback")
		assert.True(t, r.Open(t.Context(), plain))
		assert.True(t, r.Known(paths[0]), "an API server may not have seen the rollback yet")
	})
}

func TestOpenWaitsForReappliedConfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReplicas(t)
		paths := r.syncPaths(t)
		time.Sleep(time.Hour)
		answered := make(chan bool)
		go func() { answered <- r.Open(t.Context(), plain) }()
		synctest.Wait()
		found := configured(t, r.client)
		found.Webhooks[0].ClientConfig.Service.Path = new(plain)
		_, err := r.client.AdmissionregistrationV1().MutatingWebhookConfigurations().Update(t.Context(), found, metav1.UpdateOptions{})
		require.NoError(t, err)
		assert.Equal(t, paths, r.syncPaths(t))
		assert.True(t, <-answered)
	})
}

func TestTokenChangeReachesOtherReplica(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReplicas(t)
		before := r.syncPaths(t)[0]
		other := NewKeeper(r.Secrets, r.Webhooks, r.Namespace, r.Name, plain, r.Logger)
		other.Outdated = r.Outdated
		_, err := other.sync(t.Context())
		require.NoError(t, err)
		assert.True(t, other.Known(before))
		time.Sleep(time.Hour)
		require.NoError(t, r.client.CoreV1().Secrets(r.Namespace).Delete(t.Context(), r.Name, metav1.DeleteOptions{}))
		after := r.syncPaths(t)[0]
		require.NotEqual(t, before, after)
		assert.True(t, r.Known(before), "API servers may not have seen the new token yet")
		assert.False(t, other.Known(after))
		answered := make(chan bool)
		go func() { answered <- other.Open(context.Background(), after) }()
		synctest.Wait()
		_, err = other.sync(t.Context())
		require.NoError(t, err)
		assert.True(t, <-answered)
		assert.True(t, other.Known(after))
		time.Sleep(transition)
		assert.False(t, r.Known(before))
		assert.False(t, other.Known(before))
	})
}

func TestSyncRestoresTokenDroppedByOlderVersion(t *testing.T) {
	r := newReplicas(t)
	paths := r.syncPaths(t)
	secrets := r.client.CoreV1().Secrets(r.Namespace)
	found, err := secrets.Get(t.Context(), r.Name, metav1.GetOptions{})
	require.NoError(t, err)
	delete(found.Data, tokenKey)
	_, err = secrets.Update(t.Context(), found, metav1.UpdateOptions{})
	require.NoError(t, err)
	assert.Equal(t, paths, r.syncPaths(t))
	found, err = secrets.Get(t.Context(), r.Name, metav1.GetOptions{})
	require.NoError(t, err)
	assert.Equal(t, plain+"/"+string(found.Data[tokenKey]), paths[0])
}

func TestSyncKeepsURLWithForeignPath(t *testing.T) {
	r := newReplicas(t)
	found := configured(t, r.client)
	found.Webhooks[1].ClientConfig.URL = new("https://gateway.example/pods")
	_, err := r.client.AdmissionregistrationV1().MutatingWebhookConfigurations().Update(t.Context(), found, metav1.UpdateOptions{})
	require.NoError(t, err)
	assert.Equal(t, "https://gateway.example/pods", r.syncPaths(t)[1])
	assert.True(t, r.Open(t.Context(), plain))
}

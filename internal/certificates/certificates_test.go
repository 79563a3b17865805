package certificates

import (
	"context"
	"crypto/x509"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-kit/log"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/cache"
)

var names = []string{"webhook.kube-system.svc", "localhost"}

const day = 24 * time.Hour

// trusts reports whether a client that trusts the authorities of one bundle accepts the
// serving certificate of another.
func trusts(t *testing.T, now time.Time, trusted, serving *Bundle) bool {
	t.Helper()
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(trusted.AuthoritiesPEM()))
	_, err := serving.Serving.Leaf.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: now, DNSName: names[0]})
	return err == nil
}

func TestRenewKeepsCertificatesTrusted(t *testing.T) {
	now := time.Now()
	have, err := Renew(now, nil, names, false)
	require.NoError(t, err)
	announced := have
	authorities, certificates := 0, 0
	for end := now.Add(4 * 365 * day); now.Before(end); now = now.Add(6 * time.Hour) {
		next, err := Renew(now, have, names, announced == have)
		require.NoError(t, err)
		// During a renewal the API server still trusts the previous bundle, and another
		// replica still serves it.
		require.True(t, trusts(t, now, have, next), "API server with the previous CAs, renewed serving certificate")
		require.True(t, trusts(t, now, next, have), "API server with the new CAs, previous serving certificate")
		if len(next.Authorities) > len(have.Authorities) {
			authorities++
		}
		if next.Serving != have.Serving {
			certificates++
		}
		require.LessOrEqual(t, len(next.Authorities), 2, "expired authorities are dropped")
		have, announced = next, next
	}
	assert.Positive(t, authorities)
	assert.Greater(t, certificates, 30)
}

func TestRenewWaitsForAnnouncedAuthority(t *testing.T) {
	now := time.Now()
	first, err := Renew(now, nil, names, false)
	require.NoError(t, err)
	later := now.Add(50 * day)
	same, err := Renew(later, first, names, false)
	require.NoError(t, err)
	assert.Same(t, first, same)
	renewed, err := Renew(later, first, names, true)
	require.NoError(t, err)
	assert.NotSame(t, first.Serving, renewed.Serving)
	assert.True(t, first.NextRenewal().Before(later))
	assert.True(t, first.NextRenewal().After(now))
	expired, err := Renew(now.Add(61*day), first, names, false)
	require.NoError(t, err)
	assert.NotSame(t, first.Serving, expired.Serving, "an expired certificate is replaced without waiting")
}

func TestRenewReissuesForChangedNames(t *testing.T) {
	have, err := Renew(time.Now(), nil, names, false)
	require.NoError(t, err)
	changed := []string{"webhook.infra.svc"}
	next, err := Renew(time.Now(), have, changed, false)
	require.NoError(t, err)
	require.NoError(t, next.Serving.Leaf.VerifyHostname(changed[0]))
	assert.Equal(t, have.Authorities, next.Authorities)
}

func TestDecodeReadsEncodedBundle(t *testing.T) {
	have, err := Renew(time.Now(), nil, names, false)
	require.NoError(t, err)
	data, err := have.encode()
	require.NoError(t, err)
	found, err := decode(data)
	require.NoError(t, err)
	assert.Equal(t, have.AuthoritiesPEM(), found.AuthoritiesPEM())
	assert.Equal(t, have.Serving.Certificate, found.Serving.Certificate)

	other, err := Renew(time.Now(), nil, names, false)
	require.NoError(t, err)
	otherData, err := other.encode()
	require.NoError(t, err)
	assert.Equal(t, have.Token, found.Token)
	delete(data, "path-token") // optional: older versions do not write it
	for key := range data {
		for title, value := range map[string][]byte{"missing": nil, "malformed": []byte("x"), "another bundle's": otherData[key]} {
			broken := maps.Clone(data)
			broken[key] = value
			_, err = decode(broken)
			assert.Error(t, err, "%s of %s", title, key)
		}
	}
}

// cluster returns a fake API server with a MutatingWebhookConfiguration, and its Keeper.
func cluster(objects ...runtime.Object) (*fake.Clientset, *Keeper) {
	client := fake.NewClientset(append(objects, &admissionregistrationv1.MutatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "webhook"},
		Webhooks:   []admissionregistrationv1.MutatingWebhook{{Name: "a.example.com"}, {Name: "b.example.com"}},
	})...)
	return client, NewKeeper(client.CoreV1().Secrets("kube-system"), client.AdmissionregistrationV1().MutatingWebhookConfigurations(), "kube-system", "webhook", "/mutate-pods", log.NewNopLogger())
}

func TestCertificateIsServedOnceConfigurationHasCA(t *testing.T) {
	client, k := cluster()
	fail := true
	client.PrependReactor("patch", "mutatingwebhookconfigurations", func(clienttesting.Action) (bool, runtime.Object, error) {
		return fail, nil, errors.New("away")
	})
	_, err := k.sync(t.Context())
	require.ErrorContains(t, err, "away")
	require.Error(t, k.Ready())
	_, err = k.Certificate(nil)
	require.ErrorContains(t, err, "no certificate yet")
	assert.True(t, k.Expiration().IsZero())
	fail = false
	_, err = k.sync(t.Context())
	require.NoError(t, err)
	require.NoError(t, k.Ready())
	secret, err := client.CoreV1().Secrets("kube-system").Get(t.Context(), "webhook", metav1.GetOptions{})
	require.NoError(t, err)
	configuration, err := client.AdmissionregistrationV1().MutatingWebhookConfigurations().Get(t.Context(), "webhook", metav1.GetOptions{})
	require.NoError(t, err)
	for _, webhook := range configuration.Webhooks {
		assert.Equal(t, secret.Data["ca.crt"], webhook.ClientConfig.CABundle)
	}
	writes := len(client.Actions())
	_, err = k.sync(t.Context())
	require.NoError(t, err)
	assert.Len(t, client.Actions(), writes+2, "two reads, no writes")
}

func TestSyncReplacesInvalidSecret(t *testing.T) {
	client, k := cluster(&corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "webhook"}, Data: map[string][]byte{"ca.crt": []byte("x")},
	})
	_, err := k.sync(t.Context())
	require.NoError(t, err)
	secret, err := client.CoreV1().Secrets("kube-system").Get(t.Context(), "webhook", metav1.GetOptions{})
	require.NoError(t, err)
	_, err = decode(secret.Data)
	require.NoError(t, err)
}

func TestRunRetriesUntilSuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, k := cluster()
		tries := 0
		client.PrependReactor("get", "secrets", func(clienttesting.Action) (bool, runtime.Object, error) {
			tries++
			return tries < 20, nil, errors.New("away")
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); k.Run(ctx) }()
		time.Sleep(time.Hour)
		cancel()
		<-ended
		assert.NoError(t, k.Ready())
	})
}

func TestFilesReloadsChangedFiles(t *testing.T) {
	dir := t.TempDir()
	put := func() *Bundle {
		b, err := Renew(time.Now(), nil, names, false)
		require.NoError(t, err)
		data, err := b.encode()
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "tls.crt"), data["tls.crt"], 0o600))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "tls.key"), data["tls.key"], 0o600))
		return b
	}
	first := put()
	f, err := OpenFiles(filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"), log.NewNopLogger())
	require.NoError(t, err)
	serves := func(b *Bundle) {
		t.Helper()
		got, err2 := f.Certificate(nil)
		require.NoError(t, err2)
		assert.Equal(t, b.Serving.Certificate, got.Certificate)
	}
	serves(first)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "tls.key"), nil, 0o600))
	serves(first)
	time.Sleep(10 * time.Millisecond) // exceed the resolution of the file system's timestamps
	second := put()
	serves(second)
	require.NoError(t, f.Ready())
	assert.Equal(t, second.Serving.Leaf.NotAfter, f.Expiration())
	_, err = OpenFiles(filepath.Join(dir, "none"), filepath.Join(dir, "tls.key"), log.NewNopLogger())
	assert.ErrorContains(t, err, "none")
}

func TestOnlyATokenOfTheRightLengthIsOne(t *testing.T) {
	token := newToken()
	assert.Equal(t, token, decodeToken([]byte(token)))
	assert.Equal(t, token, decodeToken([]byte(strings.ToUpper(token))))
	for _, other := range []string{"", "ab", token[2:], token + "ab", strings.Repeat("x", len(token))} {
		assert.Empty(t, decodeToken([]byte(other)), other)
	}
}

func TestARenewedCertificateHasAnotherToken(t *testing.T) {
	now := time.Now()
	have, err := Renew(now, nil, names, false)
	require.NoError(t, err)
	next, err := Renew(now.Add(50*day), have, names, true)
	require.NoError(t, err)
	assert.Len(t, next.Token, len(have.Token))
	assert.NotEqual(t, have.Token, next.Token)
}

func TestAFileThatHasRunOutIsNotServed(t *testing.T) {
	b, err := Renew(time.Now().Add(-servingLifetime-time.Hour), nil, names, false)
	require.NoError(t, err)
	data, err := b.encode()
	require.NoError(t, err)
	certificate, key := filepath.Join(t.TempDir(), "tls.crt"), filepath.Join(t.TempDir(), "tls.key")
	require.NoError(t, os.WriteFile(certificate, data["tls.crt"], 0o600))
	require.NoError(t, os.WriteFile(key, data["tls.key"], 0o600))
	f, err := OpenFiles(certificate, key, log.NewNopLogger())
	require.NoError(t, err)
	require.ErrorContains(t, f.Ready(), "expired")
	_, err = f.Certificate(nil)
	assert.ErrorContains(t, err, "expired")
}

func TestThereIsACertificateWithoutAConfiguration(t *testing.T) {
	for title, verb := range map[string]string{"before": "get", "removed meanwhile": "patch"} {
		client, k := cluster()
		client.PrependReactor(verb, "mutatingwebhookconfigurations", func(clienttesting.Action) (bool, runtime.Object, error) {
			return true, nil, apierrors.NewNotFound(schema.GroupResource{Resource: "mutatingwebhookconfigurations"}, "webhook")
		})
		_, err := k.sync(t.Context())
		require.NoError(t, err, title)
		assert.NoError(t, k.Ready(), title)
	}
}

func TestTheKeeperTriesAgainSoonAfterASuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, k := cluster()
		var away atomic.Bool
		away.Store(true)
		tries := make(chan time.Time, 100)
		client.PrependReactor("get", "secrets", func(clienttesting.Action) (bool, runtime.Object, error) {
			tries <- time.Now()
			return away.Load(), nil, errors.New("away")
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); k.Run(ctx) }()
		time.Sleep(10*maxBackoff + time.Second/2)
		away.Store(false)
		time.Sleep(maxBackoff)
		require.NoError(t, k.Ready())
		for len(tries) > 0 {
			<-tries
		}
		away.Store(true)
		triggered := time.Now()
		k.LookAgain()
		assert.Equal(t, triggered, <-tries)
		assert.Equal(t, triggered.Add(firstBackoff), <-tries)
		cancel()
		<-ended
	})
}

// informer keeps its handler.
type informer struct {
	cache.SharedInformer

	handler cache.ResourceEventHandler
}

func (i *informer) AddEventHandler(handler cache.ResourceEventHandler) (cache.ResourceEventHandlerRegistration, error) {
	i.handler = handler
	return nil, nil //nolint:nilnil // it is not used
}

func TestEveryChangeIsLookedAt(t *testing.T) {
	_, k := cluster()
	var i informer
	require.NoError(t, k.Watch(&i))
	for title, change := range map[string]func(){
		"added":   func() { i.handler.OnAdd(&corev1.Secret{}, false) },
		"updated": func() { i.handler.OnUpdate(&corev1.Secret{}, &corev1.Secret{}) },
		"deleted": func() { i.handler.OnDelete(&corev1.Secret{}) },
	} {
		change()
		change() // does not block
		require.Len(t, k.changed, 1, title)
		<-k.changed
	}
}

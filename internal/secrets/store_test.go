package secrets

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/refresh"
)

var now = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

var creds = identity.Credentials{
	RoleARN:         "arn:aws:iam::123456789012:role/app",
	AccessKeyID:     "ASIAEXAMPLE",
	SecretAccessKey: "key+/secret",
	SessionToken:    "token//session==",
	Issued:          now.Add(-time.Hour),
	Expiration:      now,
}

// desired returns what the object "app" in the namespace "ns" requests.
func desired(source identity.Source) identity.Desired {
	want := identity.Desired{
		Key:             identity.Key{Source: source, Namespace: "ns", Name: "app"},
		UID:             "owner-uid",
		SecretName:      Name(source, "app"),
		Role:            identity.RoleReference{Name: "app"},
		ExternalID:      "ns/cluster",
		SessionDuration: time.Hour,
	}
	if source == identity.AWSIAMRole {
		want.Generation, want.Labels = 7, map[string]string{"team": "a"}
	}
	return want
}

// informer is a shared informer whose events the test delivers.
type informer struct {
	cache.SharedIndexInformer

	source  identity.Source
	store   cache.Store
	handler cache.ResourceEventHandler
	err     error
}

func (i *informer) GetStore() cache.Store { return i.store }

func (i *informer) AddEventHandler(h cache.ResourceEventHandler) (cache.ResourceEventHandlerRegistration, error) {
	i.handler = h
	return nil, i.err
}

// show updates the informer with a Secret.
func (i *informer) show(tb testing.TB, secret *corev1.Secret) *observation {
	tb.Helper()
	obj, err := Transform(i.source)(&metav1.PartialObjectMetadata{ObjectMeta: secret.ObjectMeta})
	require.NoError(tb, err)
	require.NoError(tb, i.store.Add(obj))
	if i.handler != nil {
		i.handler.OnAdd(obj, false)
	}
	o, ok := obj.(*observation)
	require.True(tb, ok)
	return o
}

// world is a Store with an API server and informers.
type world struct {
	*Store

	api       *apiServer
	informers map[identity.Source]*informer
}

func newWorld(tb testing.TB) *world {
	tb.Helper()
	w := &world{api: newAPIServer(tb), informers: map[identity.Source]*informer{}}
	shared := map[identity.Source]cache.SharedIndexInformer{}
	for _, source := range []identity.Source{identity.ServiceAccount, identity.AWSIAMRole} {
		w.informers[source] = &informer{source: source, store: cache.NewStore(cache.DeletionHandlingMetaNamespaceKeyFunc)}
		shared[source] = w.informers[source]
	}
	w.Store = NewStore(w.api.client, shared)
	return w
}

// stored applies creds once, shows the result to the informer, and discards the
// recorded requests.
func (w *world) stored(tb testing.TB, want identity.Desired) *corev1.Secret {
	tb.Helper()
	_, _, err := w.Apply(tb.Context(), want, creds)
	require.NoError(tb, err)
	secret := w.api.get(want.Namespace, want.SecretName)
	w.show(tb, want, secret)
	w.api.requests = nil
	return secret
}

func (w *world) show(tb testing.TB, want identity.Desired, secret *corev1.Secret) {
	tb.Helper()
	w.informers[want.Source].show(tb, secret)
}

var bothSources = map[string]identity.Source{"ServiceAccount": identity.ServiceAccount, "AWSIAMRole": identity.AWSIAMRole}

func TestObserveIncludesPendingUpdates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, want := newWorld(t), desired(identity.ServiceAccount)
		before := w.stored(t, want)

		later := creds
		later.Expiration = now.Add(time.Hour)
		state, created, err := w.Apply(t.Context(), want, later)
		require.NoError(t, err)
		assert.False(t, created)
		assert.Equal(t, state, w.Observe(want.Key))
		assert.Equal(t, later.Expiration, state.Expiration)

		time.Sleep(30*time.Second - time.Nanosecond)
		assert.Equal(t, later.Expiration, w.Observe(want.Key).Expiration)
		time.Sleep(time.Nanosecond)
		assert.Equal(t, before.ResourceVersion, w.Observe(want.Key).ResourceVersion, "the informer is right in the end")
		assert.Empty(t, w.pending, "and nothing is kept")
	})
}

func TestObserveIncludesPendingCreations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, want := newWorld(t), desired(identity.ServiceAccount)
		state, created, err := w.Apply(t.Context(), want, creds)
		require.NoError(t, err)
		assert.True(t, created)
		assert.Equal(t, state, w.Observe(want.Key))

		time.Sleep(30*time.Second - time.Nanosecond)
		assert.Equal(t, state, w.Observe(want.Key))
		time.Sleep(time.Nanosecond)
		assert.Equal(t, refresh.State{}, w.Observe(want.Key), "it came and went unseen")
	})
}

func TestLaterVersionReplacesAPendingWrite(t *testing.T) {
	w, want := newWorld(t), desired(identity.ServiceAccount)
	w.stored(t, want)
	_, _, err := w.Apply(t.Context(), want, creds)
	require.NoError(t, err)
	foreign := w.api.write("kubectl", "app.aws-iam", func(s *corev1.Secret) { s.Data["role-arn"] = []byte("x") })
	w.show(t, want, foreign)

	seen := w.Observe(want.Key)
	assert.Equal(t, foreign.ResourceVersion, seen.ResourceVersion)
	assert.True(t, seen.Edited)
}

func TestObserveOfNothing(t *testing.T) {
	w := newWorld(t)
	assert.Equal(t, refresh.State{}, w.Observe(desired(identity.ServiceAccount).Key))
	assert.Empty(t, w.api.requests, "observing costs no call")
}

func TestSourcesAreSeparate(t *testing.T) {
	w := newWorld(t)
	w.stored(t, desired(identity.ServiceAccount))
	sameName := identity.Key{Source: identity.AWSIAMRole, Namespace: "ns", Name: "app.aws-iam"}
	assert.False(t, w.Observe(sameName).Exists)
}

func TestRestoredSecretIsTrustedDespiteManagedFields(t *testing.T) {
	for name, source := range bothSources {
		t.Run(name, func(t *testing.T) {
			w, want := newWorld(t), desired(source)
			w.stored(t, want)
			// Whoever adds a key of data owns the field "immutable", say,
			// until somebody takes that off, which a restore does not.
			no := false
			w.show(t, want, w.api.write("kubectl", want.SecretName, func(s *corev1.Secret) { s.Immutable = &no }))
			require.True(t, w.Observe(want.Key).Edited)

			state, _, err := w.Apply(t.Context(), want, creds)
			require.NoError(t, err)
			assert.False(t, state.Edited)
			require.True(t, observe(source, &w.api.get("ns", want.SecretName).ObjectMeta).Edited, "the record still names kubectl")
			assert.False(t, w.Observe(want.Key).Edited, "before the informer shows it")
			w.show(t, want, w.api.get("ns", want.SecretName))
			assert.False(t, w.Observe(want.Key).Edited, "after the informer showed it")

			w.show(t, want, w.api.write("kubectl", want.SecretName, func(s *corev1.Secret) { s.Data["expire"] = nil }))
			assert.True(t, w.Observe(want.Key).Edited, "trust is in one version only")
		})
	}
}

func TestRemove(t *testing.T) {
	conflict := func(request) error { return apierrors.NewConflict(secretsResource, "app", errors.New("other UID")) }
	tests := map[string]struct {
		stored  bool
		between func(*world, identity.Desired)
		verbs   []string
		stays   bool
		wantErr string
	}{
		"what was observed":   {stored: true, verbs: []string{"DELETE"}},
		"nothing":             {verbs: []string{}},
		"what is gone before": {stored: true, between: func(w *world, want identity.Desired) { w.api.remove(want.SecretName) }, verbs: []string{"DELETE"}},
		"not what was written meanwhile": {stored: true, between: func(w *world, want identity.Desired) {
			w.api.write("kubectl", want.SecretName, func(s *corev1.Secret) { s.Labels["a"] = "b" })
		}, verbs: []string{"DELETE"}, stays: true, wantErr: "delete secret ns/app"},
		"not what took its place": {stored: true, between: func(w *world, want identity.Desired) {
			w.api.remove(want.SecretName)
			w.api.write("kubectl", want.SecretName, func(*corev1.Secret) {})
		}, verbs: []string{"DELETE"}, stays: true, wantErr: "delete secret ns/app"},
		"an error is told": {stored: true, between: func(w *world, _ identity.Desired) { w.api.next("DELETE", conflict) },
			verbs: []string{"DELETE"}, stays: true, wantErr: "other UID"},
	}
	for name, tc := range tests {
		for kind, source := range bothSources {
			t.Run(name+"/"+kind, func(t *testing.T) {
				w, want := newWorld(t), desired(source)
				var secret *corev1.Secret
				if tc.stored {
					secret = w.stored(t, want)
				}
				if tc.between != nil {
					tc.between(w, want)
				}
				err := w.Remove(t.Context(), want.Key)
				if tc.wantErr == "" {
					require.NoError(t, err)
				} else {
					require.ErrorContains(t, err, tc.wantErr)
				}
				require.Equal(t, tc.verbs, w.api.verbs())
				assert.Equal(t, tc.stays, w.api.get("ns", want.SecretName) != nil)
				if secret != nil {
					assert.Contains(t, w.api.requests[0].body,
						`"preconditions":{"uid":"`+string(secret.UID)+`","resourceVersion":"`+secret.ResourceVersion+`"}`)
				}
			})
		}
	}
}

func TestRemoveDeletesThePendingVersion(t *testing.T) {
	w, want := newWorld(t), desired(identity.ServiceAccount)
	w.stored(t, want)
	_, _, err := w.Apply(t.Context(), want, creds)
	require.NoError(t, err)
	require.NoError(t, w.Remove(t.Context(), want.Key), "the informer lags behind")
	assert.Nil(t, w.api.get("ns", want.SecretName))
}

func TestFreeCallsOnlyAfterAConflict(t *testing.T) {
	w, want := newWorld(t), desired(identity.ServiceAccount)
	require.NoError(t, w.CheckName(t.Context(), want))
	assert.Empty(t, w.api.requests)

	w.api.write("kubectl", want.SecretName, func(*corev1.Secret) {})
	_, _, err := w.Apply(t.Context(), want, creds)
	requireStep(t, err, api.SecretConflict)
	requireStep(t, w.CheckName(t.Context(), want), api.SecretConflict)
	requireStep(t, w.CheckName(t.Context(), want), api.SecretConflict)
	require.NoError(t, w.CheckName(t.Context(), desired(identity.AWSIAMRole)), "another identity's name is free")

	w.api.next("GET", func(request) error { return apierrors.NewInternalError(errors.New("away")) })
	require.ErrorContains(t, w.CheckName(t.Context(), want), "away", "not knowing is not being free")
	requireStep(t, w.CheckName(t.Context(), want), api.SecretConflict)

	w.api.remove(want.SecretName)
	require.NoError(t, w.CheckName(t.Context(), want))
	w.api.requests = nil
	require.NoError(t, w.CheckName(t.Context(), want))
	assert.Empty(t, w.api.requests, "a name that was found free is not asked for again")
}

func TestFreeAfterTheSecretBecameOurs(t *testing.T) {
	w, want := newWorld(t), desired(identity.AWSIAMRole)
	w.api.write("kubectl", "app", func(*corev1.Secret) {})
	_, _, err := w.Apply(t.Context(), want, creds)
	requireStep(t, err, api.SecretConflict)
	w.api.write("kubectl", "app", func(s *corev1.Secret) { s.Labels = identifyingLabels(identity.AWSIAMRole) })
	_, _, err = w.Apply(t.Context(), want, creds)
	require.NoError(t, err)
	w.api.requests = nil
	require.NoError(t, w.CheckName(t.Context(), want))
	assert.Empty(t, w.api.requests, "having written is knowing")
}

func TestWatchReportsAllEvents(t *testing.T) {
	account := identity.Key{Source: identity.ServiceAccount, Namespace: "ns", Name: "app"}
	role := identity.Key{Source: identity.AWSIAMRole, Namespace: "ns", Name: "app.aws-iam"}
	seen := &observation{namespace: "ns", name: "app.aws-iam", State: refresh.State{Exists: true, ResourceVersion: "1"}}
	tests := map[string]struct {
		obj   any
		known bool
	}{
		"a Secret":                        {seen, true},
		"metadata that nobody shortened":  {&metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "app.aws-iam"}}, true},
		"a missed deletion":               {cache.DeletedFinalStateUnknown{Key: "ns/app.aws-iam", Obj: seen}, true},
		"a missed deletion of no object":  {cache.DeletedFinalStateUnknown{Key: "ns/app.aws-iam"}, true},
		"a missed deletion of no Secret":  {cache.DeletedFinalStateUnknown{Key: "ns/app.aws-iam", Obj: "app"}, true},
		"a missed deletion without a key": {cache.DeletedFinalStateUnknown{Key: "a/b/c"}, false},
		"nothing":                         {nil, false},
		"something else":                  {"ns/app.aws-iam", false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			for source, want := range map[identity.Source]identity.Key{identity.ServiceAccount: account, identity.AWSIAMRole: role} {
				var changed []identity.Key
				require.NoError(t, w.Watch(source, func(key identity.Key) { changed = append(changed, key) }))
				handler := w.informers[source].handler
				assert.NotPanics(t, func() {
					handler.OnAdd(tc.obj, true)
					handler.OnUpdate(nil, tc.obj)
					handler.OnDelete(tc.obj)
				})
				if tc.known {
					assert.Equal(t, []identity.Key{want, want, want}, changed)
				} else {
					assert.Empty(t, changed)
				}
			}
		})
	}
}

func TestWatchIgnoresUnrelatedNames(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, w.Watch(identity.ServiceAccount, func(key identity.Key) { t.Error("changed", key) }))
	for _, name := range []string{"app", "app.aws-iam.bak", "aws-iam", ".aws-iam"} {
		w.informers[identity.ServiceAccount].show(t, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name}})
	}
	for key := range w.Each(identity.ServiceAccount) {
		t.Error("each", key)
	}
}

func TestWatchReturnsErrors(t *testing.T) {
	w := newWorld(t)
	w.informers[identity.AWSIAMRole].err = errors.New("stopped")
	require.EqualError(t, w.Watch(identity.AWSIAMRole, nil), "watch secrets of awsiamrole: stopped")
}

func TestDeletionDropsAPendingWrite(t *testing.T) {
	tests := map[string]struct {
		// tombstone makes what the informer delivers of its last state.
		tombstone func(*observation) any
		believed  bool
	}{
		"seen": {tombstone: func(o *observation) any {
			last := *o
			last.ResourceVersion = "999"
			return &last
		}},
		"seen, of a Secret before ours": {believed: true, tombstone: func(o *observation) any { return o }},
		"missed": {tombstone: func(o *observation) any {
			return cache.DeletedFinalStateUnknown{Key: "ns/app.aws-iam", Obj: o}
		}},
		"missed, of no object": {tombstone: func(*observation) any { return cache.DeletedFinalStateUnknown{Key: "ns/app.aws-iam"} }},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			w, want := newWorld(t), desired(identity.ServiceAccount)
			require.NoError(t, w.Watch(identity.ServiceAccount, func(identity.Key) {}))
			old := observe(identity.ServiceAccount, &w.stored(t, want).ObjectMeta)
			_, _, err := w.Apply(t.Context(), want, creds)
			require.NoError(t, err)
			w.informers[identity.ServiceAccount].handler.OnDelete(tc.tombstone(old))
			_, believed := w.pending[want.Key]
			assert.Equal(t, tc.believed, believed)
		})
	}
}

func TestConfirmedWritesAreDropped(t *testing.T) {
	w, want := newWorld(t), desired(identity.ServiceAccount)
	require.NoError(t, w.Watch(identity.ServiceAccount, func(identity.Key) {}))
	w.stored(t, want)
	assert.Empty(t, w.pending)

	no := false
	w.show(t, want, w.api.write("kubectl", want.SecretName, func(s *corev1.Secret) { s.Immutable = &no }))
	w.stored(t, want)
	require.Len(t, w.trustedVersions, 1)

	w.api.remove(want.SecretName)
	w.stored(t, want)
	assert.Empty(t, w.trustedVersions, "a Secret that is only ours needs no trust")

	w.show(t, want, w.api.write("kubectl", want.SecretName, func(s *corev1.Secret) { s.Immutable = &no }))
	w.stored(t, want)
	require.Len(t, w.trustedVersions, 1)
	w.informers[identity.ServiceAccount].handler.OnDelete(cache.DeletedFinalStateUnknown{Key: "ns/app.aws-iam"})
	assert.Empty(t, w.trustedVersions, "what is gone is not remembered")
}

func TestEach(t *testing.T) {
	w := newWorld(t)
	w.stored(t, desired(identity.ServiceAccount))
	other := desired(identity.ServiceAccount)
	other.Namespace = "other"
	w.stored(t, other)
	w.stored(t, desired(identity.AWSIAMRole))
	require.NoError(t, w.informers[identity.AWSIAMRole].store.Add(&metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: "x"}}))

	accounts := map[identity.Key]string{}
	for key, state := range w.Each(identity.ServiceAccount) {
		accounts[key] = state.RoleARN
	}
	assert.Equal(t, map[identity.Key]string{desired(identity.ServiceAccount).Key: creds.RoleARN, other.Key: creds.RoleARN}, accounts)

	roles := 0
	for key, state := range w.Each(identity.AWSIAMRole) {
		assert.Equal(t, desired(identity.AWSIAMRole).Key, key)
		assert.True(t, state.Exists)
		roles++
	}
	assert.Equal(t, 1, roles)

	for range w.Each(identity.ServiceAccount) {
		break // yielding after this would panic
	}
}

// requireStep requires an *identity.StepError with the given reason, and returns
// its message.
func requireStep(t *testing.T, err error, reason string) string {
	t.Helper()
	var step *identity.StepError
	require.ErrorAs(t, err, &step)
	require.Equal(t, reason, step.Reason)
	return step.Message
}

func TestForgetDropsAConflict(t *testing.T) {
	w, want := newWorld(t), desired(identity.ServiceAccount)
	w.api.write("kubectl", want.SecretName, func(*corev1.Secret) {})
	_, _, err := w.Apply(t.Context(), want, creds)
	requireStep(t, err, api.SecretConflict)
	w.Forget(want.Key)
	w.api.requests = nil
	require.NoError(t, w.CheckName(t.Context(), want))
	assert.Empty(t, w.api.requests)
}

func TestForgetRole(t *testing.T) {
	w, want := newWorld(t), desired(identity.ServiceAccount)
	require.NoError(t, w.ForgetRole(t.Context(), want.Key), "no Secret, no id")
	want.RoleID = "AROA1"
	before := w.stored(t, want)
	require.Equal(t, "AROA1", w.Observe(want.Key).RoleID)
	require.NoError(t, w.ForgetRole(t.Context(), want.Key))
	after := w.api.get("ns", want.SecretName)
	assert.NotContains(t, after.Annotations, api.RoleIDAnnotation)
	assert.Equal(t, before.Data, after.Data)
	assert.Len(t, after.Annotations, len(before.Annotations)-1)
	assert.Equal(t, []string{"PATCH"}, w.api.verbs())
	assert.Empty(t, w.Observe(want.Key).RoleID, "before the informer shows it")
	assert.False(t, w.Observe(want.Key).Edited)
	require.NoError(t, w.ForgetRole(t.Context(), want.Key))
	assert.Equal(t, []string{"PATCH"}, w.api.verbs(), "what is forgotten costs no call")
}

func TestForgetRolePatchesTheObservedVersion(t *testing.T) {
	w, want := newWorld(t), desired(identity.ServiceAccount)
	want.RoleID = "AROA1"
	w.stored(t, want)
	w.api.write("kubectl", want.SecretName, func(s *corev1.Secret) { s.Labels["x"] = "y" })
	requireStep(t, w.ForgetRole(t.Context(), want.Key), api.UpdateSecretFailed)
	assert.Equal(t, "AROA1", w.api.get("ns", want.SecretName).Annotations[api.RoleIDAnnotation])
}

func TestExternalIDProofIsKept(t *testing.T) {
	for _, source := range []identity.Source{identity.ServiceAccount, identity.AWSIAMRole} {
		w, want := newWorld(t), desired(source)
		want.Proven = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
		w.stored(t, want)
		assert.Equal(t, "2030-01-02T03:04:05Z", w.api.get("ns", want.SecretName).Annotations["iam.amazonaws.com/external-id-proven"])
		assert.Equal(t, want.Proven, w.Observe(want.Key).Proven)
		assert.False(t, w.Observe(want.Key).Edited)

		want.Proven = time.Time{}
		w.stored(t, want)
		assert.NotContains(t, w.api.get("ns", want.SecretName).Annotations, "iam.amazonaws.com/external-id-proven")
		assert.Zero(t, w.Observe(want.Key).Proven)
	}
}

func TestLastUseOfARoleIsKept(t *testing.T) {
	const key = "iam.amazonaws.com/role-last-used"
	w, want := newWorld(t), desired(identity.ServiceAccount)
	want.RoleID = "AROA1"
	w.stored(t, want)
	assert.NotContains(t, w.api.get("ns", want.SecretName).Annotations, key, "it is not known")
	for text, used := range map[string]identity.RoleUse{
		"2030-01-02T03:04:05Z": {Known: true, At: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)},
		"never":                {Known: true},
	} {
		want.RoleUsed = used
		w.stored(t, want)
		assert.Equal(t, text, w.api.get("ns", want.SecretName).Annotations[key])
		assert.Equal(t, used, w.Observe(want.Key).RoleUsed)
		assert.False(t, w.Observe(want.Key).Edited)
	}
	want.RoleUsed = identity.RoleUse{}
	w.stored(t, want)
	assert.NotContains(t, w.api.get("ns", want.SecretName).Annotations, key)
	assert.Zero(t, w.Observe(want.Key).RoleUsed)

	w.api.write("kubectl", want.SecretName, func(s *corev1.Secret) { s.Annotations[key] = "never" })
	assert.True(t, observe(want.Source, &w.api.get("ns", want.SecretName).ObjectMeta).Edited, "nobody else writes it")
}

func TestForgedExternalIDProofIsAnEdit(t *testing.T) {
	w, want := newWorld(t), desired(identity.ServiceAccount)
	w.stored(t, want)
	w.api.write("kubectl", want.SecretName, func(s *corev1.Secret) { s.Annotations[api.ExternalIDProvenAnnotation] = "2030-01-02T03:04:05Z" })
	assert.True(t, observe(want.Source, &w.api.get("ns", want.SecretName).ObjectMeta).Edited)
}

func TestForgetRoleLeavesASecretWithAController(t *testing.T) {
	w, want := newWorld(t), desired(identity.ServiceAccount)
	want.RoleID = "AROA1"
	w.stored(t, want)
	delete(w.pending, want.Key) // as after a restart
	w.show(t, want, w.api.write("kubectl", want.SecretName, func(s *corev1.Secret) { s.OwnerReferences[0].Controller = new(true) }))
	require.NoError(t, w.ForgetRole(t.Context(), want.Key))
	assert.Equal(t, "AROA1", w.api.get("ns", want.SecretName).Annotations[api.RoleIDAnnotation])
}

func TestHashOfThePolicyOfARoleIsKept(t *testing.T) {
	const key = "iam.amazonaws.com/policy-hash"
	w, want := newWorld(t), desired(identity.ServiceAccount)
	want.RoleID, want.PolicyHash = "AROA1", "0123456789abcdef"
	w.stored(t, want)
	assert.Equal(t, want.PolicyHash, w.api.get("ns", want.SecretName).Annotations[key])
	assert.Equal(t, want.PolicyHash, w.Observe(want.Key).PolicyHash)
	assert.False(t, w.Observe(want.Key).Edited)
	want.PolicyHash = ""
	w.stored(t, want)
	assert.NotContains(t, w.api.get("ns", want.SecretName).Annotations, key)
	assert.Empty(t, w.Observe(want.Key).PolicyHash)
}

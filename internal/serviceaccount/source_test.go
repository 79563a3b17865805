package serviceaccount

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/metadata/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/cache"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// informer is a shared informer with a store that the test fills.
type informer struct {
	cache.SharedIndexInformer

	store    cache.Store
	handlers []cache.ResourceEventHandler
	rules    Annotations
}

func (i *informer) GetStore() cache.Store { return i.store }

func (i *informer) AddEventHandler(h cache.ResourceEventHandler) (cache.ResourceEventHandlerRegistration, error) {
	i.handlers = append(i.handlers, h)
	return nil, nil //nolint:nilnil // the registration is not used
}

func (i *informer) add(t *testing.T, meta *metav1.PartialObjectMetadata) any {
	t.Helper()
	obj, err := i.rules.Transform(meta)
	require.NoError(t, err)
	require.NoError(t, i.store.Add(obj))
	return obj
}

func object(annotations map[string]string) *metav1.PartialObjectMetadata {
	return &metav1.PartialObjectMetadata{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ServiceAccount"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "app", UID: "u1", ResourceVersion: "7", Annotations: annotations},
	}
}

var key = identity.Key{Source: identity.ServiceAccount, Namespace: "ns", Name: "app"}

func newSource(objects ...runtime.Object) (*Source, *informer, *fake.FakeMetadataClient) {
	scheme := runtime.NewScheme()
	_ = metav1.AddMetaToScheme(scheme)
	client := fake.NewSimpleMetadataClient(scheme, objects...)
	i := &informer{store: cache.NewStore(cache.DeletionHandlingMetaNamespaceKeyFunc)}
	return NewSource(client, i, Config{
		ExternalID:  func(namespace string) string { return namespace + "/cluster" },
		ClusterName: "cluster",
		Base: func(context.Context) (identity.BaseRole, error) {
			return identity.BaseRole{Partition: "aws-us-gov", Account: "012345678901"}, nil
		},
	}), i, client
}

func TestTransformKeepsOnlyWhatIsRead(t *testing.T) {
	obj, err := Annotations{}.Transform(object(map[string]string{api.RoleAnnotation: "app", "other": strings.Repeat("x", 1000), api.RegionAnnotation: "eu-central-1"}))
	require.NoError(t, err)
	a, ok := obj.(*account)
	require.True(t, ok)
	assert.Equal(t, map[string]string{api.RoleAnnotation: "app", api.RegionAnnotation: "eu-central-1"}, a.annotationMap())
	again, err := Annotations{}.Transform(a)
	require.NoError(t, err)
	assert.Same(t, a, again, "what was transformed stays")

	obj, err = Annotations{}.Transform(object(map[string]string{"other": "x", "iam.amazonaws.com.example/role": "x", "eks.amazonaws.com/token-expiration": "86400"}))
	require.NoError(t, err)
	assert.Equal(t, cache.ExplicitKey("ns/app"), obj, "of one that asks for nothing only its name")
}

func TestDesired(t *testing.T) {
	s, i, _ := newSource()
	want, err := s.Desired(t.Context(), key)
	require.NoError(t, err)
	assert.Nil(t, want, "no such object")

	i.add(t, object(nil))
	want, err = s.Desired(t.Context(), key)
	require.NoError(t, err)
	assert.Nil(t, want, "it asks for nothing")

	i.add(t, object(map[string]string{api.RoleAnnotation: "path/app", api.SessionDurationAnnotation: "15m", api.SessionPolicyAnnotation: "\n" + policy}))
	want, err = s.Desired(t.Context(), key)
	require.NoError(t, err)
	role, err := identity.ParseRole("path/app")
	require.NoError(t, err)
	assert.Equal(t, &identity.Desired{
		Key: key, UID: "u1", SecretName: "app.aws-iam", ExternalID: "ns/cluster", Role: role, SessionDuration: 15 * time.Minute, SessionPolicy: policy,
	}, want)
}

func TestInvalidAnnotationsAreNamed(t *testing.T) {
	for name, test := range map[string]struct {
		annotations map[string]string
		reason      string
		says        []string
	}{
		"empty role":              {map[string]string{api.RoleAnnotation: ""}, api.InvalidAnnotation, []string{api.RoleAnnotation, "empty"}},
		"user":                    {map[string]string{api.RoleAnnotation: "arn:aws:iam::123456789012:user/x"}, api.InvalidAnnotation, []string{api.RoleAnnotation, "user/x"}},
		"session policy":          {map[string]string{api.RoleAnnotation: "app", api.SessionPolicyAnnotation: "read-only"}, api.InvalidAnnotation, []string{api.SessionPolicyAnnotation + `: "read-only" is not JSON: line 1, column 1: `}},
		"an empty session policy": {map[string]string{api.RoleAnnotation: "app", api.SessionPolicyAnnotation: " "}, api.InvalidAnnotation, []string{api.SessionPolicyAnnotation + `: " " is not JSON: it is empty`}},
		"session":                 {map[string]string{api.RoleAnnotation: "app", api.SessionDurationAnnotation: "soon"}, api.InvalidAnnotation, []string{api.SessionDurationAnnotation, `"soon"`}},
		"region":                  {map[string]string{api.RoleAnnotation: "app", api.RegionAnnotation: "here"}, api.InvalidAnnotation, []string{api.RegionAnnotation, `"here"`, "eu-central-1"}},
		"delivery":                {map[string]string{api.RoleAnnotation: "app", api.DeliveryAnnotation: "post"}, api.InvalidAnnotation, []string{api.DeliveryAnnotation, `"post"`, "process, endpoint, file, none"}},
		"deletion policy":         {map[string]string{api.RoleAnnotation: "app", api.DeletionPolicyAnnotation: "keep"}, api.InvalidAnnotation, []string{api.DeletionPolicyAnnotation, "Delete, Retain"}},
		"role and policy":         {map[string]string{api.RoleAnnotation: "app", api.RolePolicyAnnotation: "{}"}, api.InvalidAnnotation, []string{api.RolePolicyAnnotation, "cannot be combined"}},
		"role and managed policy": {map[string]string{api.RoleAnnotation: "app", api.ManagedPoliciesAnnotation: "x"}, api.InvalidAnnotation, []string{api.ManagedPoliciesAnnotation, "cannot be combined"}},
		"all at once":             {map[string]string{api.RoleAnnotation: " ", api.SessionDurationAnnotation: "x", api.RegionAnnotation: "y"}, api.InvalidAnnotation, []string{api.RoleAnnotation, api.SessionDurationAnnotation, api.RegionAnnotation}},
		"a policy":                {map[string]string{api.RolePolicyAnnotation: "{}"}, api.InvalidAnnotation, []string{api.RolePolicyAnnotation, "the Version"}},
		"managed policies":        {map[string]string{api.ManagedPoliciesAnnotation: "x"}, api.InvalidAnnotation, []string{api.ManagedPoliciesAnnotation, `"x"`}},
	} {
		t.Run(name, func(t *testing.T) {
			s, i, _ := newSource()
			i.add(t, object(test.annotations))
			want, err := s.Desired(t.Context(), key)
			var invalid *identity.InvalidError
			require.ErrorAs(t, err, &invalid)
			assert.Equal(t, test.reason, invalid.Reason)
			for _, part := range test.says {
				assert.Contains(t, invalid.Message, part)
			}
			assert.NotContains(t, invalid.Message, "\n")
			require.NotNil(t, want)
			assert.Equal(t, "u1", want.UID, "as much as can be read")
		})
	}
}

func TestDesiredManagedRole(t *testing.T) {
	s, i, _ := newSource()
	i.add(t, object(map[string]string{
		api.RolePolicyAnnotation:      `{ "Version": "2012-10-17", "Statement": {"Effect":"Allow","Action":"s3:*","Resource":"*"} }`,
		api.ManagedPoliciesAnnotation: " arn:aws:iam::aws:policy/B ,arn:aws:iam::aws:policy/A,arn:aws:iam::aws:policy/B",
	}))
	want, err := s.Desired(t.Context(), key)
	require.NoError(t, err)
	assert.Equal(t, &identity.ManagedRole{
		Policy:          `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}`,
		ManagedPolicies: []string{"arn:aws:iam::aws:policy/A", "arn:aws:iam::aws:policy/B"},
	}, want.Managed)
	assert.Empty(t, want.Role.Name)
}

func TestTooLongNameIsInvalid(t *testing.T) {
	s, i, _ := newSource()
	long := object(map[string]string{api.RoleAnnotation: "app"})
	long.Name = strings.Repeat("x", 246)
	i.add(t, long)
	_, err := s.Desired(t.Context(), identity.Key{Source: identity.ServiceAccount, Namespace: "ns", Name: long.Name})
	require.ErrorContains(t, err, "246 characters")

	long.Name = strings.Repeat("x", 245)
	i.add(t, long)
	_, err = s.Desired(t.Context(), identity.Key{Source: identity.ServiceAccount, Namespace: "ns", Name: long.Name})
	require.NoError(t, err, "the maximum length")
}

func TestDesiredDefaultsToAnHour(t *testing.T) {
	s, i, _ := newSource()
	i.add(t, object(map[string]string{api.RoleAnnotation: "app"}))
	want, err := s.Desired(t.Context(), key)
	require.NoError(t, err)
	assert.Equal(t, time.Hour, want.SessionDuration)
}

func TestWatchHandlesMissedEvents(t *testing.T) {
	s, i, _ := newSource()
	var changed []identity.Key
	require.NoError(t, s.Watch(func(k identity.Key) { changed = append(changed, k) }))
	h := i.handlers[0]
	asking := i.add(t, object(map[string]string{api.RoleAnnotation: "app"}))
	nothing := cache.ExplicitKey("ns/app")
	other, err := Annotations{}.Transform(object(map[string]string{api.RoleAnnotation: "other"}))
	require.NoError(t, err)

	for name, test := range map[string]struct {
		happens func()
		told    bool
	}{
		"added":                     {func() { h.OnAdd(asking, false) }, true},
		"added, asks for nothing":   {func() { h.OnAdd(nothing, false) }, false},
		"updated":                   {func() { h.OnUpdate(asking, other) }, true},
		"updated elsewhere":         {func() { h.OnUpdate(asking, asking) }, false},
		"annotation added":          {func() { h.OnUpdate(nothing, asking) }, true},
		"annotation taken away":     {func() { h.OnUpdate(asking, nothing) }, true},
		"updated, asks for nothing": {func() { h.OnUpdate(nothing, nothing) }, false},
		"deleted":                   {func() { h.OnDelete(asking) }, true},
		"deleted, asked nothing":    {func() { h.OnDelete(nothing) }, false},
		"deleted unseen":            {func() { h.OnDelete(cache.DeletedFinalStateUnknown{Key: "ns/app", Obj: asking}) }, true},
		"deleted unseen, unknown":   {func() { h.OnDelete(cache.DeletedFinalStateUnknown{Key: "ns/app"}) }, true},
		"deleted unseen, nothing":   {func() { h.OnDelete(cache.DeletedFinalStateUnknown{Key: "ns/app", Obj: nothing}) }, false},
		"deleted unseen, nonsense":  {func() { h.OnDelete(cache.DeletedFinalStateUnknown{Key: "a/b/c"}) }, false},
		"deleted unseen, twice": {func() {
			h.OnDelete(cache.DeletedFinalStateUnknown{Key: "ns/app", Obj: cache.DeletedFinalStateUnknown{Key: "ns/app"}})
		}, true},
		"something else": {func() { h.OnAdd("nonsense", false) }, false},
		"nothing at all": {func() { h.OnDelete(nil) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			changed = nil
			test.happens()
			if test.told {
				assert.Equal(t, []identity.Key{key}, changed)
			} else {
				assert.Empty(t, changed)
			}
		})
	}
}

func TestKeys(t *testing.T) {
	s, i, _ := newSource()
	i.add(t, object(map[string]string{api.RoleAnnotation: "app"}))
	other := object(nil)
	other.Name = "other"
	i.add(t, other)
	var keys []identity.Key
	for k := range s.Keys() {
		keys = append(keys, k)
	}
	assert.Equal(t, []identity.Key{key}, keys)
}

func patches(client *fake.FakeMetadataClient) []string {
	var all []string
	for _, action := range client.Actions() {
		if patch, ok := action.(clienttesting.PatchAction); ok {
			all = append(all, string(patch.GetPatch()))
		}
	}
	return all
}

func TestReportAnnotatesOnce(t *testing.T) {
	meta := object(map[string]string{api.RoleAnnotation: "app"})
	s, i, client := newSource(meta)
	i.add(t, meta)
	want := identity.Desired{Key: key, UID: "u1"}
	require.NoError(t, s.Report(t.Context(), want, identity.Status{}))
	assert.Empty(t, patches(client), "nothing is known yet")
	require.NoError(t, s.Report(t.Context(), want, identity.Status{RoleARN: "arn:x"}))
	assert.Equal(t, []string{`{"metadata":{"annotations":{"iam.amazonaws.com/role-arn":"arn:x"},"uid":"u1"}}`}, patches(client))

	meta.Annotations[api.RoleARNAnnotation] = "arn:x"
	i.add(t, meta)
	require.NoError(t, s.Report(t.Context(), want, identity.Status{RoleARN: "arn:x"}))
	require.NoError(t, s.Report(t.Context(), identity.Desired{Key: key, UID: "u0"}, identity.Status{RoleARN: "arn:y"}), "another one")
	assert.Len(t, patches(client), 1)

	client.PrependReactor("patch", "*", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewConflict(Resource.GroupResource(), "app", errors.New("uid"))
	})
	require.NoError(t, s.Report(t.Context(), want, identity.Status{RoleARN: "arn:z"}), "recreated meanwhile: not our concern")
	client.PrependReactor("patch", "*", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewInternalError(errors.New("boom"))
	})
	require.ErrorContains(t, s.Report(t.Context(), want, identity.Status{RoleARN: "arn:z"}), "annotate ServiceAccount ns/app: ")
}

func TestReleaseNeedsPositiveEvidence(t *testing.T) {
	s, _, _ := newSource()
	released, err := s.Release(t.Context(), key)
	require.NoError(t, err)
	assert.True(t, released, "the API server knows of none")

	s, _, client := newSource(object(map[string]string{api.RoleAnnotation: "app"}))
	released, err = s.Release(t.Context(), key)
	require.NoError(t, err)
	assert.False(t, released, "it asks, whatever the cache says")

	client.PrependReactor("get", "*", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewServiceUnavailable("away")
	})
	released, err = s.Release(t.Context(), key)
	require.ErrorContains(t, err, "read ServiceAccount ns/app")
	assert.False(t, released)

	s, _, client = newSource(object(map[string]string{api.RoleARNAnnotation: "arn:x"}))
	released, err = s.Release(t.Context(), key)
	require.NoError(t, err)
	assert.True(t, released)
	assert.Equal(t, []string{`{"metadata":{"annotations":{"iam.amazonaws.com/role-arn":null},"uid":"u1"}}`}, patches(client), "what was written is taken back")
}

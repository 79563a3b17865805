package namespaces

import (
	"context"
	"errors"
	"testing"

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

	store   cache.Store
	handler cache.ResourceEventHandler
}

func (i *informer) GetStore() cache.Store { return i.store }

func (i *informer) AddEventHandler(h cache.ResourceEventHandler) (cache.ResourceEventHandlerRegistration, error) {
	i.handler = h
	return nil, nil //nolint:nilnil // the registration is not used
}

func namespace(annotations map[string]string) *metav1.PartialObjectMetadata {
	return &metav1.PartialObjectMetadata{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"},
		ObjectMeta: metav1.ObjectMeta{Name: "ns", UID: "u1", ResourceVersion: "7", Annotations: annotations},
	}
}

func transformed(t *testing.T, annotations map[string]string) any {
	t.Helper()
	obj, err := Transform(namespace(annotations))
	require.NoError(t, err)
	return obj
}

var (
	permitting = map[string]string{api.AllowedRolesAnnotation: `["app"]`}
	refusing   = map[string]string{api.AllowedRolesAnnotation: `["other"]`}

	ofAccount = identity.Key{Source: identity.ServiceAccount, Namespace: "ns", Name: "app"}
	ofRole    = identity.Key{Source: identity.AWSIAMRole, Namespace: "ns", Name: "app"}
)

func newSource(objects ...runtime.Object) (*Source, *informer, *fake.FakeMetadataClient) {
	scheme := runtime.NewScheme()
	_ = metav1.AddMetaToScheme(scheme)
	client := fake.NewSimpleMetadataClient(scheme, objects...)
	i := &informer{store: cache.NewStore(cache.DeletionHandlingMetaNamespaceKeyFunc)}
	return NewSource(client, i, Config{Base: func(context.Context) (identity.BaseRole, error) {
		return identity.ParseBaseRole(account)
	}}), i, client
}

// permitApp requests the role app.
func permitApp(t *testing.T, s *Source, key identity.Key) error {
	t.Helper()
	return s.Permit(t.Context(), key, func(context.Context) (identity.RoleReference, error) { return at(t, "app"), nil })
}

func TestPermitUsesCachedRules(t *testing.T) {
	for name, tc := range map[string]struct {
		annotations map[string]string
		restrict    bool
		says        string // "" for permitted
	}{
		"no rules":                    {nil, false, ""},
		"a rule that permits":         {permitting, false, ""},
		"a rule that refuses":         {refusing, false, `The namespace ns may not use role 'arn:aws:iam::123456789012:role/app': iam.amazonaws.com/allowed-roles: ["other"] does not include it. Use a role that is permitted, or have whoever administers the namespace add "app"`},
		"no rules, restricted":        {map[string]string{"other": "x"}, true, "it has neither iam.amazonaws.com/allowed-roles nor"},
		"a rule that permits, and so": {permitting, true, ""},
		"malformed":                   {map[string]string{api.PermittedAnnotation: "("}, false, `iam.amazonaws.com/permitted: "(" is not a regular expression`},
	} {
		t.Run(name, func(t *testing.T) {
			s, i, client := newSource()
			s.Restrict = tc.restrict
			require.NoError(t, i.store.Add(transformed(t, tc.annotations)))
			err := permitApp(t, s, ofAccount)
			if tc.says == "" {
				require.NoError(t, err)
			} else {
				var invalid *identity.InvalidError
				require.ErrorAs(t, err, &invalid)
				assert.Equal(t, api.RoleNotPermitted, invalid.Reason)
				assert.Contains(t, invalid.Message, tc.says)
			}
			assert.Empty(t, client.Actions(), "no call")
		})
	}
}

func TestPermitReadsAnUncachedNamespace(t *testing.T) {
	s, _, _ := newSource(namespace(refusing))
	require.ErrorContains(t, permitApp(t, s, ofAccount), "may not use")
	s, _, _ = newSource(namespace(nil))
	require.NoError(t, permitApp(t, s, ofAccount))
	s, _, _ = newSource()
	require.ErrorContains(t, permitApp(t, s, ofAccount), "not found", "what is in it goes with it")
}

func TestPermitFailsIfRulesCannotBeRead(t *testing.T) {
	broken := errors.New("away")
	s, _, client := newSource()
	client.PrependReactor("get", "namespaces", func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, broken })
	require.ErrorIs(t, permitApp(t, s, ofAccount), broken)
	require.ErrorIs(t, permitApp(t, s, ofRole), broken)
}

func TestPermitAWSIAMRolesWithThePredecessorsRBAC(t *testing.T) {
	s, _, client := newSource()
	client.PrependReactor("get", "namespaces", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewForbidden(Resource.GroupResource(), "ns", nil)
	})
	require.NoError(t, permitApp(t, s, ofRole))
	require.ErrorContains(t, permitApp(t, s, ofAccount), "read the rules of namespace ns")
	s.Restrict = true
	require.ErrorContains(t, permitApp(t, s, ofRole), "read the rules of namespace ns", "the decision is unknown, not negative")
}

func TestPermitFailsIfTheRoleIsUnknown(t *testing.T) {
	unknown := errors.New("STS is away")
	s, i, _ := newSource()
	require.NoError(t, i.store.Add(transformed(t, permitting)))
	err := s.Permit(t.Context(), ofAccount, func(context.Context) (identity.RoleReference, error) { return identity.RoleReference{}, unknown })
	require.ErrorIs(t, err, unknown)
	s.Base = func(context.Context) (identity.BaseRole, error) { return identity.BaseRole{}, unknown }
	require.ErrorIs(t, permitApp(t, s, ofAccount), unknown)
}

func TestTransformKeepsOnlyRules(t *testing.T) {
	assert.Equal(t, cache.ExplicitKey("ns"), transformed(t, map[string]string{"other": "x"}))
	r, ok := transformed(t, map[string]string{"other": "x", api.PermittedAnnotation: "a"}).(*namespaceRules)
	require.True(t, ok)
	assert.Equal(t, [][2]string{{api.PermittedAnnotation, "a"}}, r.annotations)
	again, err := Transform(r)
	require.NoError(t, err)
	assert.Same(t, r, again, "what was transformed stays")
}

func TestWatchReportsChangedRules(t *testing.T) {
	s, i, _ := newSource()
	var told []Namespace
	require.NoError(t, s.Watch(func(n Namespace) { told = append(told, n) }))
	bare, some, others := transformed(t, nil), transformed(t, permitting), transformed(t, refusing)
	for name, tc := range map[string]struct {
		happen func()
		tells  bool
	}{
		"a namespace without rules":      {func() { i.handler.OnAdd(bare, false) }, false},
		"a namespace with rules":         {func() { i.handler.OnAdd(some, true) }, true},
		"its first rules":                {func() { i.handler.OnUpdate(bare, some) }, true},
		"other rules":                    {func() { i.handler.OnUpdate(some, others) }, true},
		"the same rules":                 {func() { i.handler.OnUpdate(some, transformed(t, permitting)) }, false},
		"its rules are gone":             {func() { i.handler.OnUpdate(some, bare) }, true},
		"nothing that matters":           {func() { i.handler.OnUpdate(bare, bare) }, false},
		"a deletion":                     {func() { i.handler.OnDelete(some) }, false},
		"a deletion that was not seen":   {func() { i.handler.OnDelete(cache.DeletedFinalStateUnknown{Key: "ns", Obj: some}) }, false},
		"something that is no namespace": {func() { i.handler.OnAdd("x", false) }, false},
	} {
		told = nil
		tc.happen()
		if !tc.tells {
			assert.Empty(t, told, name)
			continue
		}
		assert.Equal(t, []Namespace{{Name: "ns", UID: "u1"}}, told, name)
	}
	told = nil
	i.handler.OnAdd(transformed(t, map[string]string{api.PermittedAnnotation: "("}), true)
	require.Len(t, told, 1)
	assert.Contains(t, told[0].Malformed, "is not a regular expression")
}

func TestUnknownAnnotationsAreReportedAndRestrictNothing(t *testing.T) {
	s, i, _ := newSource()
	var told []Namespace
	require.NoError(t, s.Watch(func(n Namespace) { told = append(told, n) }))
	misspelt := transformed(t, map[string]string{
		api.Prefix + "allowed-role": `["other"]`, api.Prefix + "permited": "other", api.Prefix + "colour": "blue", api.Prefix + "zzz": "x", "example/x": "y",
	})
	require.NoError(t, i.store.Add(misspelt))
	i.handler.OnAdd(misspelt, true)
	require.Len(t, told, 1)
	assert.Empty(t, told[0].Malformed)
	for _, part := range []string{
		"iam.amazonaws.com/allowed-role is not known on a Namespace and restricts nothing: did you mean iam.amazonaws.com/allowed-roles?",
		"did you mean iam.amazonaws.com/permitted?",
		"iam.amazonaws.com/colour is not known on a Namespace and restricts nothing: those that are read are iam.amazonaws.com/allowed-roles, iam.amazonaws.com/permitted and iam.amazonaws.com/managed-roles",
	} {
		assert.Contains(t, told[0].Unknown, part)
	}
	assert.NotContains(t, told[0].Unknown, "zzz", "a few are enough")
	require.NoError(t, permitApp(t, s, ofAccount), "a typing error takes nothing from running pods")
	i.handler.OnUpdate(misspelt, transformed(t, map[string]string{api.Prefix + "allowed-role": `["app"]`}))
	assert.Len(t, told, 2)

	s.Restrict = true
	require.ErrorContains(t, permitApp(t, s, ofAccount), "--namespace-restrictions", "nor does it permit anything")
}

package serviceaccount

import (
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

const policy = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}`

func withFinalizers(annotations map[string]string, finalizers ...string) *metav1.PartialObjectMetadata {
	meta := object(annotations)
	meta.Finalizers = finalizers
	return meta
}

func TestAddFinalizerAddsTheFinalizerOnce(t *testing.T) {
	meta := withFinalizers(map[string]string{api.RolePolicyAnnotation: policy}, "theirs")
	s, i, client := newSource(meta)
	i.add(t, meta)
	want := identity.Desired{Key: key, UID: "u1"}
	require.NoError(t, s.AddFinalizer(t.Context(), want))
	assert.Equal(t, []string{`{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"finalizers":["iam.amazonaws.com/role"],"name":"app","namespace":"ns","uid":"u1"}}`}, patches(client))

	i.add(t, withFinalizers(meta.Annotations, "theirs", api.Finalizer))
	client.ClearActions()
	require.NoError(t, s.AddFinalizer(t.Context(), want))
	assert.Empty(t, client.Actions(), "a cache that shows it is enough")
	uid, held, retain := s.Finalizer(key)
	assert.Equal(t, "u1", uid)
	assert.True(t, held)
	assert.False(t, retain)
}

func TestAddFinalizerReturnsAPIErrors(t *testing.T) {
	s, i, client := newSource()
	i.add(t, withFinalizers(map[string]string{api.RolePolicyAnnotation: policy}, api.Finalizer))
	client.PrependReactor("patch", "*", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewServiceUnavailable("away")
	})
	err := s.AddFinalizer(t.Context(), identity.Desired{Key: key, UID: "u2"}) // the cache knows another
	require.ErrorContains(t, err, "add the finalizer to ServiceAccount ns/app")
}

func TestRemoveFinalizerRemovesTheFinalizer(t *testing.T) {
	s, _, client := newSource(withFinalizers(nil, "theirs", api.Finalizer))
	require.NoError(t, s.RemoveFinalizer(t.Context(), key))
	assert.Equal(t, []string{`{"metadata":{"finalizers":["theirs"],"resourceVersion":"7","uid":"u1"}}`}, patches(client))
	client.ClearActions()
	require.NoError(t, s.RemoveFinalizer(t.Context(), key))
	assert.Empty(t, patches(client))

	client.PrependReactor("patch", "*", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewConflict(Resource.GroupResource(), "app", errors.New("changed"))
	})
	s, _, _ = newSource()
	require.NoError(t, s.RemoveFinalizer(t.Context(), key), "gone is gone")
}

func TestRemoveFinalizerReturnsConflicts(t *testing.T) {
	s, _, client := newSource(withFinalizers(nil, api.Finalizer))
	client.PrependReactor("patch", "*", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewConflict(Resource.GroupResource(), "app", errors.New("changed"))
	})
	require.Error(t, s.RemoveFinalizer(t.Context(), key))
}

func TestDeletedServiceAccountRequestsNothing(t *testing.T) {
	s, i, _ := newSource()
	leaving := withFinalizers(map[string]string{api.RolePolicyAnnotation: policy}, api.Finalizer)
	leaving.DeletionTimestamp = new(metav1.Now())
	i.add(t, leaving)
	want, err := s.Desired(t.Context(), key)
	require.NoError(t, err)
	assert.Nil(t, want)
	_, held, _ := s.Finalizer(key)
	assert.True(t, held)
	for range s.Keys() {
		t.Error("it is no identity any more")
	}
	assert.Equal(t, []identity.Key{key}, slices.Collect(s.Releasing()), "its role is still there")
}

func TestServiceAccountWithFinalizerIsCached(t *testing.T) {
	s, i, _ := newSource()
	i.add(t, withFinalizers(nil, api.Finalizer))
	_, held, _ := s.Finalizer(key)
	assert.True(t, held)
	want, err := s.Desired(t.Context(), key)
	require.NoError(t, err)
	assert.Nil(t, want)
	i.add(t, withFinalizers(nil, "theirs"))
	_, held, _ = s.Finalizer(key)
	assert.False(t, held)
}

func TestFinalizerRetainsUnlessDeletionIsRequested(t *testing.T) {
	for value, retained := range map[string]bool{"Delete": false, "Retain": true, "retain": true, "": true} {
		s, i, _ := newSource()
		i.add(t, withFinalizers(map[string]string{api.DeletionPolicyAnnotation: value}, api.Finalizer))
		_, _, retain := s.Finalizer(key)
		assert.Equal(t, retained, retain, value)
	}
}

func TestReleaseOfADeletedServiceAccount(t *testing.T) {
	leaving := withFinalizers(map[string]string{api.RolePolicyAnnotation: policy, api.RoleARNAnnotation: "arn:x"}, api.Finalizer)
	leaving.DeletionTimestamp = new(metav1.Now())
	s, _, client := newSource(leaving)
	released, err := s.Release(t.Context(), key)
	require.NoError(t, err)
	assert.True(t, released)
	assert.Empty(t, patches(client), "nothing is tidied up on what goes")
}

func TestOwners(t *testing.T) {
	s, i, _ := newSource()
	leaving := withFinalizers(map[string]string{api.RolePolicyAnnotation: policy}, "theirs")
	leaving.DeletionTimestamp = new(metav1.Now())
	for name, meta := range map[string]*metav1.PartialObjectMetadata{
		"asks": withFinalizers(map[string]string{api.RolePolicyAnnotation: "not json"}), "manages": withFinalizers(map[string]string{api.ManagedPoliciesAnnotation: "x"}),
		"held": withFinalizers(map[string]string{api.RoleAnnotation: "r"}, api.Finalizer), "other": withFinalizers(map[string]string{api.RoleAnnotation: "r"}),
		"none": withFinalizers(nil), "leaves": leaving,
	} {
		meta.Name = name
		i.add(t, meta)
	}
	var names []string
	for owner := range s.Owners() {
		names = append(names, owner.Name)
	}
	assert.ElementsMatch(t, []string{"asks", "manages", "held"}, names)
}

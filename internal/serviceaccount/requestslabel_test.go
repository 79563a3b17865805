package serviceaccount

import (
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

func TestSkippedNeedsARequest(t *testing.T) {
	now := metav1.Now()
	for name, test := range map[string]struct {
		annotations map[string]string
		label       string
		deleted     *metav1.Time
		want        bool
	}{
		"asks":                      {map[string]string{api.RoleAnnotation: "app"}, "none", nil, true},
		"requests a managed role":   {map[string]string{api.ManagedPoliciesAnnotation: "x"}, "none", nil, true},
		"asks, and is not labelled": {map[string]string{api.RoleAnnotation: "app"}, "", nil, false},
		"asks, and the policy does not look at that value": {map[string]string{api.RoleAnnotation: "app"}, "unknown", nil, false},
		"says how, and asks for nothing":                   {map[string]string{api.RegionAnnotation: "eu-central-1"}, "none", nil, false},
		"asks for nothing":                                 {nil, "none", nil, false},
		"is being deleted":                                 {map[string]string{api.RoleAnnotation: "app"}, "none", &now, false},
	} {
		t.Run(name, func(t *testing.T) {
			s, i, _ := newSource()
			meta := object(test.annotations)
			meta.Labels, meta.DeletionTimestamp = map[string]string{api.RequestsLabel: test.label}, test.deleted
			i.add(t, meta)
			uid, is := s.Skipped(key)
			assert.Equal(t, test.want, is)
			assert.Equal(t, test.want, uid == "u1")
		})
	}
	s, _, _ := newSource()
	_, is := s.Skipped(key)
	assert.False(t, is, "there is none")
}

func TestWatchReportsASkippedServiceAccount(t *testing.T) {
	s, i, _ := newSource()
	var changed []identity.Key
	require.NoError(t, s.Watch(func(k identity.Key) { changed = append(changed, k) }))
	before := i.add(t, object(map[string]string{api.RoleAnnotation: "app"}))
	meta := object(map[string]string{api.RoleAnnotation: "app"})
	meta.Labels = map[string]string{api.RequestsLabel: api.RequestsNone}
	i.handlers[0].OnUpdate(before, i.add(t, meta))
	assert.Equal(t, []identity.Key{key}, changed)
}

func TestUnskipRemovesTheLabelByUID(t *testing.T) {
	meta := object(map[string]string{api.RoleAnnotation: "app"})
	meta.Labels = map[string]string{api.RequestsLabel: api.RequestsNone, "team": "a"}
	s, _, client := newSource(meta)
	require.NoError(t, s.Unskip(t.Context(), key, "u1"))
	assert.Equal(t, []string{`{"metadata":{"labels":{"iam.amazonaws.com/requests":null},"uid":"u1"}}`}, patches(client))
	now, err := client.Resource(Resource).Namespace("ns").Get(t.Context(), "app", metav1.GetOptions{})
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"team": "a"}, now.Labels)

	s, _, _ = newSource()
	assert.NoError(t, s.Unskip(t.Context(), key, "u1"), "it is gone")
}

func TestShowIgnoresARecreatedServiceAccount(t *testing.T) {
	s, _, client := newSource()
	client.PrependReactor("patch", "serviceaccounts", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewConflict(Resource.GroupResource(), "app", nil)
	})
	require.NoError(t, s.Unskip(t.Context(), key, "u1"))
}

func TestWatchReportsTheFinalizer(t *testing.T) {
	s, i, _ := newSource()
	var changed []identity.Key
	require.NoError(t, s.Watch(func(k identity.Key) { changed = append(changed, k) }))
	annotations := map[string]string{api.RoleAnnotation: "app"}
	before := i.add(t, object(annotations))
	i.handlers[0].OnUpdate(before, i.add(t, withFinalizers(annotations, api.Finalizer)))
	assert.Equal(t, []identity.Key{key}, changed)
}

package secrets

import (
	"errors"
	"maps"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/internal/identity"
)

func set(pairs ...string) map[string]string {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return m
}

func TestRelabelCopiesLabelsOnly(t *testing.T) {
	tests := map[string]struct {
		others map[string]string // set by another client
		change map[string]string // of the AWSIAMRole
		want   map[string]string
	}{
		"a changed one":                    {nil, set("team", "b"), set("team", "b")},
		"a new one":                        {nil, set("team", "a", "tier", "web"), set("team", "a", "tier", "web")},
		"one without a value":              {nil, set("team", ""), set("team", "")},
		"a removed one":                    {nil, nil, nil},
		"a renamed one":                    {nil, set("squad", "a"), set("squad", "a")},
		"those of others stay":             {set("owner", "x"), set("team", "b"), set("owner", "x", "team", "b")},
		"those of others, none of its own": {set("owner", "x"), nil, set("owner", "x")},
		"one that another set before":      {set("owner", "x"), set("team", "a", "owner", "y"), set("team", "a", "owner", "y")},
		"one that another changed":         {set("team", "x"), set("team", "a"), set("team", "a")},
		"one that another changed, and is not asked for any more": {set("team", "x"), nil, set("team", "x")},
		"ours are not the resource's": {nil, set("team", "a", "n", "1", "heritage", "x", "type", "y", "iam.amazonaws.com/source", "serviceaccount"),
			set("team", "a", "n", "1")},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			w, want := newWorld(t), desired(identity.AWSIAMRole)
			before := w.stored(t, want)
			assert.False(t, w.LabelsDiffer(want), "as written")
			if tc.others != nil {
				before = w.api.write("kubectl", want.SecretName, func(s *corev1.Secret) { maps.Copy(s.Labels, tc.others) })
				w.show(t, want, before)
			}
			want.Labels = tc.change
			if maps.Equal(before.Labels, expected(tc.want)) {
				assert.False(t, w.LabelsDiffer(want))
				return
			}
			require.True(t, w.LabelsDiffer(want))
			require.NoError(t, w.Relabel(t.Context(), want))
			assert.Equal(t, []string{"PATCH"}, w.api.verbs())
			assert.NotContains(t, w.api.requests[0].body, "/data")

			after := w.api.get("ns", want.SecretName)
			assert.Equal(t, expected(tc.want), after.Labels)
			assert.Equal(t, before.UID, after.UID)
			assert.Equal(t, before.Data, after.Data)
			assert.Equal(t, before.Annotations, after.Annotations)
			assert.False(t, edited(identity.AWSIAMRole, after.ManagedFields), "the credentials are still known to be ours")
			assert.False(t, w.LabelsDiffer(want), "before the informer shows it")
			w.show(t, want, after)
			assert.False(t, w.LabelsDiffer(want), "nothing is written twice")
			assert.False(t, w.Observe(want.Key).Edited)
		})
	}
}

// expected returns all labels of a Secret that has others besides the identifying
// ones.
func expected(others map[string]string) map[string]string {
	all := identifyingLabels(identity.AWSIAMRole)
	maps.Copy(all, others)
	return all
}

func TestApplyRemovesOnlyCopiedLabels(t *testing.T) {
	w, want := newWorld(t), desired(identity.AWSIAMRole)
	w.stored(t, want)
	w.show(t, want, w.api.write("kubectl", want.SecretName, func(s *corev1.Secret) { s.Labels["owner"] = "x" }))
	want.Labels = set("tier", "web")
	assert.Equal(t, expected(set("owner", "x", "tier", "web")), w.stored(t, want).Labels)
}

func TestLabelsDifferIsFalseIfApplyWritesThem(t *testing.T) {
	many := map[string]string{}
	for i := range maxLabels {
		many["n"+strconv.Itoa(i)] = "x"
	}
	tests := map[string]func(w *world, want *identity.Desired){
		"of a Secret that is not there": func(w *world, want *identity.Desired) { w.api.remove(want.SecretName) },
		"of one that was edited": func(w *world, want *identity.Desired) {
			w.api.write("kubectl", want.SecretName, func(s *corev1.Secret) { s.Data["role-arn"] = []byte("x") })
		},
		"that are not known": func(_ *world, want *identity.Desired) { want.KeepLabels = true },
		"of one that others gave too many": func(w *world, want *identity.Desired) {
			w.api.write("kubectl", want.SecretName, func(s *corev1.Secret) { maps.Copy(s.Labels, many) })
		},
	}
	for name, happen := range tests {
		t.Run(name, func(t *testing.T) {
			w, want := newWorld(t), desired(identity.AWSIAMRole)
			w.stored(t, want)
			want.Labels = set("team", "b")
			happen(w, &want)
			if secret := w.api.get("ns", want.SecretName); secret != nil {
				w.show(t, want, secret)
			} else {
				require.NoError(t, w.informers[want.Source].store.Replace(nil, ""))
				delete(w.pending, want.Key)
			}
			assert.False(t, w.LabelsDiffer(want))
			assert.Empty(t, w.api.verbs())
		})
	}

	w, want := newWorld(t), desired(identity.ServiceAccount)
	w.stored(t, want)
	want.Labels = set("team", "a")
	assert.False(t, w.LabelsDiffer(want), "a ServiceAccount's Secret is given no labels of others")
}

func TestRelabelPatchesTheObservedVersion(t *testing.T) {
	tests := map[string]struct {
		happens func(w *world)
		err     string
		labels  map[string]string
	}{
		"it was written since": {
			func(w *world) { w.api.write("kubectl", "app", func(s *corev1.Secret) { s.Labels["n"] = "1" }) }, "", expected(set("team", "a", "n", "1")),
		},
		"it is gone": {func(w *world) { w.api.remove("app") }, "", nil},
		"the API server refuses": {func(w *world) {
			w.api.next("PATCH", func(request) error {
				return apierrors.NewForbidden(corev1.Resource("secrets"), "app", errors.New("no"))
			})
		}, "Failed to update secret ns/app: ", expected(set("team", "a"))},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			w, want := newWorld(t), desired(identity.AWSIAMRole)
			w.stored(t, want)
			tc.happens(w)
			want.Labels = set("team", "b")
			err := w.Relabel(t.Context(), want)
			if tc.err == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, tc.err)
			}
			assert.Equal(t, []string{"PATCH"}, w.api.verbs())
			if tc.labels == nil {
				assert.Nil(t, w.api.get("ns", "app"))
			} else {
				assert.Equal(t, tc.labels, w.api.get("ns", "app").Labels)
			}
		})
	}
}

func TestCachedLabelsAreLimited(t *testing.T) {
	for name, labels := range map[string]map[string]string{
		"long":  set(strings.Repeat("k", maxLabelBytes), "v"),
		"short": set("k", "v"),
	} {
		all := expected(labels)
		o := observe(identity.AWSIAMRole, &metav1.ObjectMeta{Labels: all})
		assert.Equal(t, name == "long", o.labelsOmitted)
		assert.Equal(t, name == "long", o.labels == nil)
		assert.Nil(t, observe(identity.ServiceAccount, &metav1.ObjectMeta{Labels: all}).labels)
	}
}

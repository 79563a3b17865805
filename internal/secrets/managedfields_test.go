package secrets

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

func TestEdited(t *testing.T) {
	tests := map[string]struct {
		edit func(*corev1.Secret)
		want bool
	}{
		"nothing":                            {func(*corev1.Secret) {}, false},
		"data changed":                       {func(s *corev1.Secret) { s.Data["credentials"] = []byte("x") }, true},
		"data emptied":                       {func(s *corev1.Secret) { s.Data["role-arn"] = nil }, true},
		"data taken away":                    {func(s *corev1.Secret) { delete(s.Data, "credentials.process") }, true},
		"all data taken away":                {func(s *corev1.Secret) { s.Data = nil }, true},
		"data added":                         {func(s *corev1.Secret) { s.Data["more"] = []byte("x") }, true},
		"our annotation changed":             {func(s *corev1.Secret) { s.Annotations["iam.amazonaws.com/expiration"] = "x" }, true},
		"our annotation taken away":          {func(s *corev1.Secret) { delete(s.Annotations, "iam.amazonaws.com/spec-hash") }, true},
		"all annotations taken away":         {func(s *corev1.Secret) { s.Annotations = nil }, true},
		"the owner taken away":               {func(s *corev1.Secret) { s.OwnerReferences = nil }, true},
		"the owner's name changed":           {func(s *corev1.Secret) { s.OwnerReferences[0].Name = "other" }, true},
		"the owner made to block":            {func(s *corev1.Secret) { s.OwnerReferences[0].BlockOwnerDeletion = new(true) }, true},
		"an owner added":                     {func(s *corev1.Secret) { s.OwnerReferences = append(s.OwnerReferences, another) }, true},
		"made immutable":                     {func(s *corev1.Secret) { s.Immutable = new(true) }, true},
		"made mutable, as it was":            {func(s *corev1.Secret) { s.Immutable = new(false) }, true},
		"a foreign label added":              {func(s *corev1.Secret) { s.Labels["team"] = "b" }, false},
		"a foreign annotation added":         {func(s *corev1.Secret) { s.Annotations["a"] = "b" }, false},
		"another annotation with our prefix": {func(s *corev1.Secret) { s.Annotations["iam.amazonaws.com/other"] = "b" }, false},
		"a finalizer added":                  {func(s *corev1.Secret) { s.Finalizers = []string{"example.org/x"} }, false},
	}
	for name, tc := range tests {
		for kind, source := range bothSources {
			t.Run(name+"/"+kind, func(t *testing.T) {
				w, want := newWorld(t), desired(source)
				secret := w.stored(t, want)
				require.False(t, edited(source, secret.ManagedFields))
				secret = w.api.write("kubectl-edit", want.SecretName, tc.edit)
				assert.Equal(t, tc.want, edited(source, secret.ManagedFields), "%s", secret.ManagedFields)
			})
		}
	}
}

var another = metav1.OwnerReference{APIVersion: "v1", Kind: "ConfigMap", Name: "x", UID: "x"}

// The informer selects by our labels, so a Secret that loses them appears as
// deleted. What remains to be detected is another manager that owns them.
func TestForeignManagerOfOurLabelsIsAnEdit(t *testing.T) {
	for name, source := range bothSources {
		t.Run(name, func(t *testing.T) {
			for label, value := range identifyingLabels(source) {
				w, want := newWorld(t), desired(source)
				w.stored(t, want)
				secret := w.api.write("kubectl-edit", want.SecretName, func(s *corev1.Secret) { s.Labels[label] = "x" })
				assert.True(t, edited(source, secret.ManagedFields), "%s changed", label)
				secret = w.api.write("kubectl-edit", want.SecretName, func(s *corev1.Secret) { s.Labels[label] = value })
				assert.True(t, edited(source, secret.ManagedFields), "%s changed back", label)
			}
		})
	}
}

// With server-side apply another manager can own our fields without changing them,
// and therefore without removing them from our entry.
func TestForeignManagerOfOurFieldsIsAnEdit(t *testing.T) {
	tests := map[string]struct {
		fields string
		want   bool
	}{
		"data":               {`{"f:data":{"f:expire":{}}}`, true},
		"other data":         {`{"f:data":{"f:more":{}}}`, true},
		"our annotation":     {`{"f:metadata":{"f:annotations":{"f:iam.amazonaws.com/external-id":{}}}}`, true},
		"another annotation": {`{"f:metadata":{"f:annotations":{".":{},"f:note":{}}}}`, false},
		"another label":      {`{"f:metadata":{"f:labels":{".":{},"f:team":{}}}}`, false},
		"owners":             {`{"f:metadata":{"f:ownerReferences":{".":{}}}}`, true},
		"immutable":          {`{"f:immutable":{}}`, true},
		"the type":           {`{"f:type":{}}`, false},
		"nothing":            {`{}`, false},
		"what is unreadable": {`{`, false},
	}
	for name, tc := range tests {
		for kind, source := range bothSources {
			t.Run(name+"/"+kind, func(t *testing.T) {
				record := newWorld(t).stored(t, desired(source)).ManagedFields
				record = append(record, metav1.ManagedFieldsEntry{
					Manager: "argocd", Operation: metav1.ManagedFieldsOperationApply, FieldsV1: metav1.NewFieldsV1(tc.fields),
				})
				assert.Equal(t, tc.want, edited(source, record))
			})
		}
	}
}

func TestLabelsOfTheOtherSourceAreForeign(t *testing.T) {
	w, want := newWorld(t), desired(identity.AWSIAMRole)
	w.stored(t, want)
	secret := w.api.write("helm", want.SecretName, func(s *corev1.Secret) { s.Labels[api.ManagedByLabel] = "Helm" })
	assert.False(t, edited(identity.AWSIAMRole, secret.ManagedFields))
}

func TestOwnWritesAreNoEdits(t *testing.T) {
	for name, source := range bothSources {
		t.Run(name, func(t *testing.T) {
			w, want := newWorld(t), desired(source)
			for range 3 {
				assert.False(t, edited(source, w.stored(t, want).ManagedFields))
			}
		})
	}
}

func TestEachMissingFieldIsAnEdit(t *testing.T) {
	for name, source := range bothSources {
		t.Run(name, func(t *testing.T) {
			w, want := newWorld(t), desired(source)
			for _, key := range dataKeys(source) {
				w.stored(t, want)
				secret := w.api.write("kubectl-edit", want.SecretName, func(s *corev1.Secret) { delete(s.Data, key) })
				assert.True(t, edited(source, secret.ManagedFields), key)
				w.show(t, want, secret)
			}
			for _, key := range annotationKeys {
				w.stored(t, want)
				secret := w.api.write("kubectl-edit", want.SecretName, func(s *corev1.Secret) { delete(s.Annotations, key) })
				assert.True(t, edited(source, secret.ManagedFields), key)
				w.show(t, want, secret)
			}
		})
	}
}

func TestUndecodableManagedFieldsAreAnEdit(t *testing.T) {
	for _, source := range bothSources {
		for _, raw := range []string{"", "x", "null", "{", `{"f:data":5}`, `{"f:metadata":[]}`, `[]`, `"f:data"`} {
			assert.True(t, edited(source, []metav1.ManagedFieldsEntry{{Manager: api.ControllerName, FieldsV1: metav1.NewFieldsV1(raw)}}), raw)
		}
		assert.True(t, edited(source, []metav1.ManagedFieldsEntry{{Manager: api.ControllerName}}), "no fields")
		assert.True(t, edited(source, nil), "no record")
	}
}

func TestWroteData(t *testing.T) {
	entry := func(manager, fields string) []metav1.ManagedFieldsEntry {
		return []metav1.ManagedFieldsEntry{{Manager: "first"}, {Manager: manager, FieldsV1: metav1.NewFieldsV1(fields)}}
	}
	assert.True(t, wroteData(entry(api.ControllerName, `{"f:data":{"f:expire":{}}}`)))
	assert.False(t, wroteData(entry("kubectl", `{"f:data":{"f:expire":{}}}`)))
	assert.False(t, wroteData(entry(api.ControllerName, `{"f:metadata":{}}`)))
	assert.False(t, wroteData(entry(api.ControllerName, `{"f:data":`)))
	assert.False(t, wroteData(nil))
}

func TestAncientChangesAreNoEdit(t *testing.T) {
	for name, source := range bothSources {
		t.Run(name, func(t *testing.T) {
			w, want := newWorld(t), desired(source)
			w.stored(t, want)
			for i := range 15 {
				secret := w.api.write("writer-"+strconv.Itoa(i), want.SecretName, func(s *corev1.Secret) { s.Labels["label-"+strconv.Itoa(i)] = "x" })
				assert.False(t, edited(source, secret.ManagedFields), i)
			}
		})
	}
}

package secrets

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

func TestApplyCreatesAMissingSecret(t *testing.T) {
	for name, source := range bothSources {
		t.Run(name, func(t *testing.T) {
			w, want := newWorld(t), desired(source)
			state, created, err := w.Apply(t.Context(), want, creds)
			require.NoError(t, err)
			assert.True(t, created)
			assert.Equal(t, []string{"POST"}, w.api.verbs())
			assert.Equal(t, api.ControllerName, w.api.requests[0].manager)

			secret := w.api.get("ns", want.SecretName)
			assert.Equal(t, corev1.SecretTypeOpaque, secret.Type)
			assert.Equal(t, secretLabels(want), secret.Labels)
			assert.Equal(t, annotations(want, creds), secret.Annotations)
			assert.Equal(t, string(secret.UID), state.UID)
			assert.Equal(t, secret.ResourceVersion, state.ResourceVersion)
			assert.Equal(t, creds.Expiration, state.Expiration)
			assert.False(t, state.Edited)
			requireOneOwner(t, want, secret)
			assert.NotContains(t, w.api.requests[0].body, "ontroller\":", "neither controller nor blockOwnerDeletion, not even false")
			assert.NotContains(t, w.api.requests[0].body, "blockOwnerDeletion")
		})
	}
}

// requireOneOwner requires that a Secret is deleted with its object, and that
// deleting the object does not wait for it.
func requireOneOwner(t *testing.T, want identity.Desired, secret *corev1.Secret) {
	t.Helper()
	version, kind := "v1", "ServiceAccount"
	if want.Source == identity.AWSIAMRole {
		version, kind = "zalando.org/v1", "AWSIAMRole"
	}
	require.Equal(t, []metav1.OwnerReference{{APIVersion: version, Kind: kind, Name: "app", UID: "owner-uid"}}, secret.OwnerReferences)
}

func TestServiceAccountSecretsNeverHaveTheHeritageLabel(t *testing.T) {
	w, want := newWorld(t), desired(identity.ServiceAccount)
	secret := w.stored(t, want)
	assert.NotContains(t, secret.Labels, "heritage")
	assert.NotContains(t, w.stored(t, want).Labels, "heritage")
}

func TestApplyPatchesTheObservedVersionOnce(t *testing.T) {
	for name, source := range bothSources {
		t.Run(name, func(t *testing.T) {
			w, want := newWorld(t), desired(source)
			before := w.stored(t, want)
			later := creds
			later.Expiration, later.AccessKeyID = now.Add(time.Hour), "ASIALATER"

			state, created, err := w.Apply(t.Context(), want, later)
			require.NoError(t, err)
			assert.False(t, created)
			assert.Equal(t, later.Expiration, state.Expiration)
			require.Equal(t, []string{"PATCH"}, w.api.verbs())
			assert.Equal(t, api.ControllerName, w.api.requests[0].manager)
			assert.Contains(t, w.api.requests[0].body, `"path":"/metadata/resourceVersion","value":"`+before.ResourceVersion+`"`)
			assert.Contains(t, w.api.requests[0].body, `"path":"/metadata/uid","value":"`+string(before.UID)+`"`)
			assert.NotContains(t, w.api.requests[0].body, "authorization-token")

			after := w.api.get("ns", want.SecretName)
			assert.Equal(t, before.UID, after.UID)
			assert.Contains(t, string(after.Data["credentials"]), "ASIALATER")
			assert.Equal(t, before.Data["authorization-token"], after.Data["authorization-token"])
			assert.Len(t, after.Data, 6)
			assert.Equal(t, "2030-01-02T04:04:05Z", after.Annotations["iam.amazonaws.com/expiration"])
		})
	}
}

func TestApplyKeepsForeignLabelsAndAnnotations(t *testing.T) {
	mark := func(s *corev1.Secret) { s.Labels["owner"], s.Annotations["note"] = "b", "c" }

	w, want := newWorld(t), desired(identity.ServiceAccount)
	w.stored(t, want)
	w.show(t, want, w.api.write("kubectl", want.SecretName, mark))
	secret := w.stored(t, want)
	assert.Equal(t, "b", secret.Labels["owner"], "stay on a ServiceAccount's")
	assert.Equal(t, "c", secret.Annotations["note"])

	w, want = newWorld(t), desired(identity.AWSIAMRole)
	w.stored(t, want)
	w.show(t, want, w.api.write("kubectl", want.SecretName, mark))
	want.Labels = map[string]string{"team": "b"}
	secret = w.stored(t, want)
	assert.Equal(t, map[string]string{"heritage": api.ControllerName, "type": "awsiamrole", "team": "b", "owner": "b"}, secret.Labels, "and beside a resource's")
	assert.Equal(t, "c", secret.Annotations["note"])
}

func TestApplyRestoresAnEditedSecret(t *testing.T) {
	edits := map[string]func(*corev1.Secret){
		"data changed":     func(s *corev1.Secret) { s.Data["credentials"] = []byte("x") },
		"data added":       func(s *corev1.Secret) { s.Data["more"] = []byte("x") },
		"all data gone":    func(s *corev1.Secret) { s.Data = nil },
		"annotations gone": func(s *corev1.Secret) { s.Annotations = nil },
		"labels gone":      func(s *corev1.Secret) { s.Labels = nil },
		"owner gone":       func(s *corev1.Secret) { s.OwnerReferences = nil },
		"owner added":      func(s *corev1.Secret) { s.OwnerReferences = append(s.OwnerReferences, another) },
	}
	for name, edit := range edits {
		for kind, source := range bothSources {
			t.Run(name+"/"+kind, func(t *testing.T) {
				w, want := newWorld(t), desired(source)
				before := w.stored(t, want)
				edited := w.api.write("kubectl", want.SecretName, edit)
				if edited.Labels == nil { // the selector no longer holds
					require.NoError(t, w.informers[source].store.Delete(observe(source, &edited.ObjectMeta)))
				} else {
					w.show(t, want, edited)
				}
				after := w.stored(t, want)
				data := texts(after.Data)
				if name == "all data gone" && source == identity.ServiceAccount {
					assert.Regexp(t, wellFormedToken, data["authorization-token"])
					before.Data["authorization-token"] = after.Data["authorization-token"]
				}
				assert.Equal(t, texts(before.Data), data)
				assert.Equal(t, before.Labels, after.Labels)
				assert.Equal(t, before.Annotations, after.Annotations)
				assert.Equal(t, before.UID, after.UID)
				requireOneOwner(t, want, after)
			})
		}
	}
}

func TestApplyReplacesOnlyAMalformedToken(t *testing.T) {
	good := strings.Repeat("a", 43)
	for name, tc := range map[string]struct {
		token []byte
		stays bool
	}{
		"well formed":  {[]byte(good), true},
		"too short":    {[]byte("short"), false},
		"empty":        {[]byte{}, false},
		"a newline":    {[]byte(good + "\n"), false},
		"not base64":   {[]byte(good + "+"), false},
		"gone":         {nil, false},
		"endless":      {[]byte(strings.Repeat(good, 1000)), false},
		"not anything": {[]byte("\xff\x00"), false},
	} {
		t.Run(name, func(t *testing.T) {
			w, want := newWorld(t), desired(identity.ServiceAccount)
			w.stored(t, want)
			w.show(t, want, w.api.write("kubectl", want.SecretName, func(s *corev1.Secret) {
				s.Data["authorization-token"] = tc.token
				if tc.token == nil {
					delete(s.Data, "authorization-token")
				}
			}))
			token := w.stored(t, want).Data["authorization-token"]
			assert.Regexp(t, wellFormedToken, string(token))
			assert.Equal(t, tc.stays, string(token) == string(tc.token))
			for range 3 {
				assert.Equal(t, token, w.stored(t, want).Data["authorization-token"])
			}
		})
	}
}

func TestApplyToAnExistingSecret(t *testing.T) {
	owned := func(uid string) []metav1.OwnerReference {
		return []metav1.OwnerReference{{APIVersion: "zalando.org/v1", Kind: "AWSIAMRole", Name: "app", UID: "owner-uid"}}[:len(uid)/len("owner-uid")]
	}
	heritage := map[string]string{"heritage": api.ControllerName}
	typed := map[string]string{"heritage": api.ControllerName, "type": "awsiamrole"}
	tests := map[string]struct {
		source  identity.Source
		manager string
		secret  corev1.Secret
		ours    bool
	}{
		"the predecessor's, labels and owner": {source: identity.AWSIAMRole, ours: true, manager: api.ControllerName,
			secret: corev1.Secret{ObjectMeta: metav1.ObjectMeta{Labels: typed, OwnerReferences: owned("owner-uid")}}},
		"the predecessor's, labels alone": {source: identity.AWSIAMRole, ours: true, manager: "old",
			secret: corev1.Secret{ObjectMeta: metav1.ObjectMeta{Labels: heritage}, Data: map[string][]byte{"credentials": nil, "old": nil}}},
		"ours, with the labels gone": {source: identity.ServiceAccount, ours: true, manager: api.ControllerName,
			secret: corev1.Secret{ObjectMeta: metav1.ObjectMeta{OwnerReferences: owned("owner-uid")}, Data: map[string][]byte{"expire": nil}}},
		"somebody's":                {source: identity.AWSIAMRole, manager: "kubectl", secret: corev1.Secret{Data: map[string][]byte{"a": []byte("b")}}},
		"somebody's, for TLS":       {source: identity.ServiceAccount, manager: "kubectl", secret: corev1.Secret{Type: corev1.SecretTypeTLS}},
		"Helm's":                    {source: identity.ServiceAccount, manager: "helm", secret: corev1.Secret{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{api.ManagedByLabel: "Helm"}}}},
		"the other source's":        {source: identity.ServiceAccount, manager: "old", secret: corev1.Secret{ObjectMeta: metav1.ObjectMeta{Labels: typed}}},
		"our owner, another's data": {source: identity.ServiceAccount, manager: "kubectl", secret: corev1.Secret{ObjectMeta: metav1.ObjectMeta{OwnerReferences: owned("owner-uid")}, Data: map[string][]byte{"expire": nil}}},
		"another controller's": {source: identity.AWSIAMRole, manager: "operator", secret: corev1.Secret{ObjectMeta: metav1.ObjectMeta{
			Labels: typed, OwnerReferences: []metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: "x", UID: "x", Controller: new(true)}}}}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			w, want := newWorld(t), desired(tc.source)
			before := w.api.write(tc.manager, want.SecretName, func(s *corev1.Secret) {
				s.Labels, s.OwnerReferences, s.Data, s.Type = tc.secret.Labels, tc.secret.OwnerReferences, tc.secret.Data, tc.secret.Type
			})
			state, created, err := w.Apply(t.Context(), want, creds)
			after := w.api.get("ns", want.SecretName)
			assert.False(t, created)
			if !tc.ours {
				message := requireStep(t, err, api.SecretConflict)
				assert.Equal(t, "Secret ns/"+want.SecretName+" exists and does not belong to the controller, so it was not changed: delete it, or recreate it under another name", message)
				assert.Equal(t, []string{"POST", "GET"}, w.api.verbs())
				assert.Equal(t, before, after)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, []string{"POST", "GET", "PATCH"}, w.api.verbs(), "adopted in place")
			assert.Equal(t, before.UID, after.UID)
			assert.Equal(t, after.ResourceVersion, state.ResourceVersion)
			assert.ElementsMatch(t, dataKeys(tc.source), slices.Collect(keys(after.Data)), "nothing foreign stays")
			assert.Equal(t, secretLabels(want), after.Labels)
			requireOneOwner(t, want, after)
		})
	}
}

func keys[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func TestApplyLeavesASecretWithAController(t *testing.T) {
	for name, source := range bothSources {
		t.Run(name, func(t *testing.T) {
			w, want := newWorld(t), desired(source)
			w.stored(t, want)
			taken := w.api.write("operator", want.SecretName, func(s *corev1.Secret) {
				s.OwnerReferences[0].Controller = new(true)
			})
			w.show(t, want, taken)
			_, _, err := w.Apply(t.Context(), want, creds)
			requireStep(t, err, api.SecretConflict)
			assert.Equal(t, taken, w.api.get("ns", want.SecretName))
		})
	}
}

func TestApplyWithConcurrentWriters(t *testing.T) {
	write := func(change func(*corev1.Secret)) func(*world, identity.Desired) error {
		return func(w *world, want identity.Desired) error {
			w.api.write("kubectl", want.SecretName, change)
			return nil
		}
	}
	tests := map[string]struct {
		there   bool // and observed
		verb    string
		happens func(*world, identity.Desired) error
		verbs   []string
		created bool
		reason  string
	}{
		"a label before the patch": {there: true, verb: "PATCH", happens: write(func(s *corev1.Secret) { s.Labels["a"] = "b" }), verbs: []string{"PATCH", "GET", "PATCH"}},
		"data before the patch":    {there: true, verb: "PATCH", happens: write(func(s *corev1.Secret) { s.Data["expire"] = nil }), verbs: []string{"PATCH", "GET", "PATCH"}},
		"deleted before the patch": {there: true, verb: "PATCH", verbs: []string{"PATCH", "POST"}, created: true,
			happens: func(w *world, want identity.Desired) error {
				w.api.remove(want.SecretName)
				return nil
			}},
		"taken over before the patch": {there: true, verb: "PATCH", reason: api.SecretConflict, verbs: []string{"PATCH", "GET"},
			happens: write(func(s *corev1.Secret) { s.OwnerReferences[0].Controller = new(true) })},
		"replaced by somebody's before the patch": {there: true, verb: "PATCH", reason: api.SecretConflict, verbs: []string{"PATCH", "GET"},
			happens: func(w *world, want identity.Desired) error {
				w.api.remove(want.SecretName)
				return write(func(*corev1.Secret) {})(w, want)
			}},
		"created by us before, unseen": {verb: "POST", verbs: []string{"POST", "GET", "PATCH"},
			happens: write(func(s *corev1.Secret) { s.Labels = identifyingLabels(identity.ServiceAccount) })},
		"created for an AWSIAMRole of that name before": {verb: "POST", reason: api.SecretConflict, verbs: []string{"POST", "GET"},
			happens: write(func(s *corev1.Secret) { s.Labels = identifyingLabels(identity.AWSIAMRole) })},
		"there for the creation, gone for the look at it": {verb: "POST", verbs: []string{"POST", "GET", "POST"}, created: true,
			happens: func(*world, identity.Desired) error { return apierrors.NewAlreadyExists(secretsResource, "app") }},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			w, want := newWorld(t), desired(identity.ServiceAccount)
			if tc.there {
				w.stored(t, want)
			}
			w.api.next(tc.verb, func(request) error { return tc.happens(w, want) })
			state, created, err := w.Apply(t.Context(), want, creds)
			assert.Equal(t, tc.verbs, w.api.verbs())
			assert.Equal(t, tc.created, created)
			if tc.reason != "" {
				requireStep(t, err, tc.reason)
				return
			}
			require.NoError(t, err)
			secret := w.api.get("ns", want.SecretName)
			assert.Equal(t, secret.ResourceVersion, state.ResourceVersion)
			assert.ElementsMatch(t, dataKeys(want.Source), slices.Collect(keys(secret.Data)))
			requireOneOwner(t, want, secret)
		})
	}
}

// A patch that finds no map to add to is refused as invalid, by an API server
// that has not come to compare versions yet.
func TestApplyWhenMapsAreRemovedConcurrently(t *testing.T) {
	for name, change := range map[string]func(*corev1.Secret){
		"data":        func(s *corev1.Secret) { s.Data = nil },
		"labels":      func(s *corev1.Secret) { s.Labels = nil },
		"annotations": func(s *corev1.Secret) { s.Annotations = nil },
	} {
		t.Run(name, func(t *testing.T) {
			w, want := newWorld(t), desired(identity.ServiceAccount)
			w.stored(t, want)
			w.api.write("kubectl", want.SecretName, change)
			_, _, err := w.Apply(t.Context(), want, creds)
			require.NoError(t, err)
			assert.Len(t, w.api.get("ns", want.SecretName).Data, 6)
		})
	}
}

func TestApplyReplacesAllDataOfAnAWSIAMRole(t *testing.T) {
	w, want := newWorld(t), desired(identity.AWSIAMRole)
	w.stored(t, want)
	w.api.write("kubectl", want.SecretName, func(s *corev1.Secret) { s.Data = nil })
	_, _, err := w.Apply(t.Context(), want, creds)
	require.NoError(t, err)
	assert.Equal(t, []string{"PATCH", "GET", "PATCH"}, w.api.verbs(), "whatever became of it meanwhile")
	assert.Len(t, w.api.get("ns", want.SecretName).Data, 6)
}

func TestPatchNeverReachesARecreatedSecret(t *testing.T) {
	for name, source := range bothSources {
		t.Run(name, func(t *testing.T) {
			w, want := newWorld(t), desired(source)
			w.stored(t, want)
			w.api.remove(want.SecretName)
			taken := w.api.write("kubectl", want.SecretName, func(s *corev1.Secret) {
				s.Data = map[string][]byte{"mine": []byte("x")}
			})
			_, _, err := w.Apply(t.Context(), want, creds)
			requireStep(t, err, api.SecretConflict)
			assert.Equal(t, taken, w.api.get("ns", want.SecretName))
		})
	}
}

func TestImmutableSecretIsReplaced(t *testing.T) {
	for name, source := range bothSources {
		t.Run(name, func(t *testing.T) {
			w, want := newWorld(t), desired(source)
			before := w.stored(t, want)
			frozen := w.api.write("kubectl", want.SecretName, func(s *corev1.Secret) { s.Immutable = new(true) })
			w.show(t, want, frozen)
			later := creds
			later.Expiration = now.Add(time.Hour)
			_, created, err := w.Apply(t.Context(), want, later)
			require.NoError(t, err)
			assert.True(t, created)
			asked := w.api.verbs()
			assert.Equal(t, []string{"DELETE", "POST"}, asked[len(asked)-2:])
			assert.Contains(t, w.api.requests[len(asked)-2].body,
				`"preconditions":{"uid":"`+string(frozen.UID)+`","resourceVersion":"`+frozen.ResourceVersion+`"}`)
			after := w.api.get("ns", want.SecretName)
			assert.NotEqual(t, before.UID, after.UID)
			assert.Nil(t, after.Immutable)
			assert.Equal(t, "2030-01-02T04:04:05Z", string(after.Data["expire"]))
		})
	}
}

func TestReplacedImmutableSecretKeepsItsToken(t *testing.T) {
	w, want := newWorld(t), desired(identity.ServiceAccount)
	before := w.stored(t, want)
	w.show(t, want, w.api.write("kubectl", want.SecretName, func(s *corev1.Secret) { s.Immutable = new(true) }))
	later := creds
	later.Expiration = now.Add(time.Hour)
	_, _, err := w.Apply(t.Context(), want, later)
	require.NoError(t, err)
	assert.Equal(t, string(before.Data["authorization-token"]), string(w.api.get("ns", want.SecretName).Data["authorization-token"]))
}

func TestForeignImmutableSecretIsNotReplaced(t *testing.T) {
	w, want := newWorld(t), desired(identity.AWSIAMRole)
	w.stored(t, want)
	w.api.next("PATCH", func(request) error {
		w.api.write("operator", "app", func(s *corev1.Secret) {
			s.Immutable, s.Labels, s.OwnerReferences = new(true), nil, nil
		})
		return apierrors.NewInvalid(secretKind, "app", nil)
	})
	_, _, err := w.Apply(t.Context(), want, creds)
	requireStep(t, err, api.SecretConflict)
	assert.Equal(t, []string{"PATCH", "GET"}, w.api.verbs())
}

func TestImmutableSecretChangedBeforeDeletion(t *testing.T) {
	for name, happens := range map[string]func(*world, identity.Desired){
		"is gone":    func(w *world, want identity.Desired) { w.api.remove(want.SecretName) },
		"is written": func(w *world, want identity.Desired) { w.api.write("kubectl", want.SecretName, label) },
	} {
		t.Run(name, func(t *testing.T) {
			w, want := newWorld(t), desired(identity.AWSIAMRole)
			w.stored(t, want)
			w.show(t, want, w.api.write("kubectl", want.SecretName, func(s *corev1.Secret) { s.Immutable = new(true) }))
			later := creds
			later.Expiration = now.Add(time.Hour)
			w.api.next("DELETE", func(request) error { happens(w, want); return nil })
			_, created, err := w.Apply(t.Context(), want, later)
			require.NoError(t, err)
			assert.True(t, created)
			assert.Equal(t, "2030-01-02T04:04:05Z", string(w.api.get("ns", want.SecretName).Data["expire"]))
		})
	}
}

func TestImmutableSecretWithoutDeletePermission(t *testing.T) {
	w, want := newWorld(t), desired(identity.AWSIAMRole)
	w.stored(t, want)
	frozen := w.api.write("kubectl", want.SecretName, func(s *corev1.Secret) { s.Immutable = new(true) })
	w.show(t, want, frozen)
	later := creds
	later.Expiration = now.Add(time.Hour)
	w.api.next("DELETE", func(request) error { return apierrors.NewForbidden(secretsResource, "app", errors.New("no rights")) })
	_, _, err := w.Apply(t.Context(), want, later)
	assert.Contains(t, requireStep(t, err, api.UpdateSecretFailed), "no rights")
	assert.Equal(t, "DELETE", w.api.requests[len(w.api.requests)-1].verb)
	assert.Equal(t, frozen, w.api.get("ns", want.SecretName))
}

func label(s *corev1.Secret) { s.Labels["a"] = "b" }

func TestOtherInvalidErrorsDeleteNothing(t *testing.T) {
	w, want := newWorld(t), desired(identity.ServiceAccount)
	secret := w.stored(t, want)
	refuse := func(request) error { return apierrors.NewInvalid(secretKind, want.SecretName, nil) }
	w.api.next("PATCH", slices.Repeat([]func(request) error{refuse}, maxAttempts)...)
	_, _, err := w.Apply(t.Context(), want, creds)
	assert.Contains(t, requireStep(t, err, api.UpdateSecretFailed), "is invalid")
	assert.NotContains(t, w.api.verbs(), "DELETE")
	assert.Equal(t, secret, w.api.get("ns", want.SecretName))
}

func TestAttemptsAreLimited(t *testing.T) {
	w, want := newWorld(t), desired(identity.ServiceAccount)
	w.stored(t, want)
	w.api.next("PATCH", slices.Repeat([]func(request) error{func(request) error {
		w.api.write("kubectl", want.SecretName, func(s *corev1.Secret) { s.Labels["n"] = s.ResourceVersion })
		return nil
	}}, 100)...)
	_, _, err := w.Apply(t.Context(), want, creds)
	requireStep(t, err, api.UpdateSecretFailed)
	assert.Equal(t, []string{"PATCH", "GET", "PATCH", "GET", "PATCH", "GET", "PATCH"}, w.api.verbs())
	assert.Equal(t, creds.Expiration, w.Observe(want.Key).Expiration, "what was there stays known")
}

func TestLastAttemptMaySucceed(t *testing.T) {
	w, want := newWorld(t), desired(identity.ServiceAccount)
	w.stored(t, want)
	w.api.next("PATCH", slices.Repeat([]func(request) error{func(request) error {
		return apierrors.NewConflict(secretsResource, want.SecretName, nil)
	}}, maxAttempts-1)...)
	_, _, err := w.Apply(t.Context(), want, creds)
	require.NoError(t, err)
}

func TestErrorMessages(t *testing.T) {
	away := apierrors.NewInternalError(errors.New("etcd is away"))
	gone := apierrors.NewNotFound(corev1.Resource("namespaces"), "ns")
	forbidden := apierrors.NewForbidden(secretsResource, "app", errors.New("no rights"))
	tests := map[string]struct {
		there   bool
		answers map[string]error
		reason  string
		message string
	}{
		"creating": {answers: map[string]error{"POST": forbidden}, reason: "CreateSecretFailed",
			message: `Failed to create secret ns/app.aws-iam with credentials: secrets "app" is forbidden: no rights`},
		"creating in a namespace that went": {answers: map[string]error{"POST": gone}, reason: "CreateSecretFailed",
			message: `Failed to create secret ns/app.aws-iam with credentials: namespaces "ns" not found`},
		"updating": {there: true, answers: map[string]error{"PATCH": away}, reason: "UpdateSecretFailed",
			message: `Failed to update secret ns/app.aws-iam with credentials: Internal error occurred: etcd is away`},
		"looking at what is there": {answers: map[string]error{"POST": apierrors.NewAlreadyExists(secretsResource, "app"), "GET": away}, reason: "UpdateSecretFailed",
			message: `Failed to update secret ns/app.aws-iam with credentials: Internal error occurred: etcd is away`},
		"creating after an update": {there: true, answers: map[string]error{"PATCH": gone, "POST": away}, reason: "CreateSecretFailed",
			message: `Failed to create secret ns/app.aws-iam with credentials: Internal error occurred: etcd is away`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			w, want := newWorld(t), desired(identity.ServiceAccount)
			if tc.there {
				w.stored(t, want)
			}
			for verb, answer := range tc.answers {
				w.api.next(verb, func(request) error { return answer })
			}
			known := w.Observe(want.Key)
			_, created, err := w.Apply(t.Context(), want, creds)
			assert.False(t, created)
			assert.Equal(t, tc.message, requireStep(t, err, tc.reason))
			assert.Equal(t, known, w.Observe(want.Key), "a failure is no write")
		})
	}
}

func TestErrorsContainNoQuotedCredentials(t *testing.T) {
	quotes := map[string]func(body string) string{
		"as it was sent": func(body string) string { return body },
		"quoted":         func(body string) string { return fmt.Sprintf("%q", body) },
		"plain":          plain,
		"plain, quoted":  func(body string) string { return fmt.Sprintf("%q", plain(body)) },
		"the values alone": func(string) string {
			return creds.SessionToken.Reveal() + creds.AccessKeyID.Reveal() + creds.SecretAccessKey.Reveal()
		},
		"the values in base64": func(string) string {
			return encoded(creds.SessionToken.Reveal()) + " " + encoded(creds.AccessKeyID.Reveal()) + " " + encoded(creds.SecretAccessKey.Reveal())
		},
		"with the beginning cut off": func(string) string {
			return "…_key_id = " + creds.AccessKeyID.Reveal() + "\naws_secret_access_key = " + creds.SecretAccessKey.Reveal()
		},
	}
	for name, quote := range quotes {
		for kind, source := range bothSources {
			t.Run(name+"/"+kind, func(t *testing.T) {
				w, want := newWorld(t), desired(source)
				refuse := func(r request) error {
					return apierrors.NewForbidden(secretsResource, r.name, errors.New("a webhook says of "+creds.RoleARN+": "+quote(r.body)))
				}
				w.api.next("POST", refuse)
				_, _, err := w.Apply(t.Context(), want, creds)
				requireStep(t, err, api.CreateSecretFailed)
				requireRedacted(t, err, w.api.requests[0].body)

				w.stored(t, want)
				w.api.next("PATCH", refuse)
				_, _, err = w.Apply(t.Context(), want, creds)
				requireStep(t, err, api.UpdateSecretFailed)
				requireRedacted(t, err, w.api.requests[0].body)

				w.show(t, want, w.api.write("kubectl", want.SecretName, func(s *corev1.Secret) { s.Data["x"] = nil }))
				w.api.requests = nil
				w.api.next("PATCH", refuse)
				_, _, err = w.Apply(t.Context(), want, creds)
				last := w.api.requests[len(w.api.requests)-1]
				requireStep(t, err, api.UpdateSecretFailed)
				requireRedacted(t, err, last.body)
			})
		}
	}
}

// requireRedacted requires that no form of an error contains secrets; body is the
// request that was sent.
func requireRedacted(t *testing.T, err error, body string) {
	t.Helper()
	hidden := []string{creds.AccessKeyID.Reveal(), creds.SecretAccessKey.Reveal(), creds.SessionToken.Reveal()}
	if token := sentToken(body); token != "" {
		hidden = append(hidden, token)
	}
	said := fmt.Sprintf("%v %+v %#v %v", err, err, err, errors.Unwrap(err))
	for _, secret := range hidden {
		assert.NotContains(t, said, secret)
		assert.NotContains(t, said, encoded(secret))
	}
	require.ErrorContains(t, err, "REDACTED")
	require.ErrorContains(t, err, "a webhook says of "+creds.RoleARN, "what is not secret stays")
	for _, secret := range hidden {
		assert.NotContains(t, decoded(said), secret)
	}
}

// decoded returns all base64 in a text, decoded, even if it is truncated.
func decoded(text string) string {
	var b strings.Builder
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" \"\\:,{}[]…", r) }) {
		raw, _ := base64.StdEncoding.DecodeString(word[:len(word)/4*4])
		b.Write(raw)
	}
	return b.String()
}

// client-go cuts what is not a Status, such as a proxy's refusal, at 2,048
// bytes. Of a 403 it makes the error's text.
func TestErrorsContainNoPartOfCredentials(t *testing.T) {
	long := creds
	long.SessionToken = identity.Secret(strings.Repeat("t", 1000))
	for cut := range 90 {
		w, want := newWorld(t), desired(identity.ServiceAccount)
		w.api.next("POST", func(r request) error {
			_, rest, _ := strings.Cut(r.body, `"credentials":"`)
			return apierrors.NewForbidden(secretsResource, "app", errors.New("a proxy says: "+rest[:100+cut]))
		})
		_, _, err := w.Apply(t.Context(), want, long)
		message := requireStep(t, err, api.CreateSecretFailed)
		require.NotContains(t, decoded(message), creds.AccessKeyID.Reveal(), "%d: %s", cut, message)
	}
}

func encoded(value string) string { return base64.StdEncoding.EncodeToString([]byte(value)) }

// plain returns every value of the data in a body, decoded.
func plain(body string) string {
	var b strings.Builder
	for word := range strings.SplitSeq(body, `"`) {
		if raw, err := base64.StdEncoding.DecodeString(word); err == nil && len(word) >= 16 {
			fmt.Fprintf(&b, "%s\n", raw)
		}
	}
	return b.String()
}

// sentToken returns the authorization token in a body, "" if there is none.
func sentToken(body string) string {
	_, rest, _ := strings.Cut(body, `"authorization-token":"`)
	value, _, _ := strings.Cut(rest, `"`)
	raw, err := base64.StdEncoding.DecodeString(value)
	if err != nil {
		return ""
	}
	return string(raw)
}

func TestPatchesAreJSONArrays(t *testing.T) {
	w, want := newWorld(t), desired(identity.AWSIAMRole)
	w.stored(t, want)
	_, _, err := w.Apply(t.Context(), want, creds)
	require.NoError(t, err)
	var ops []operation
	require.NoError(t, json.Unmarshal([]byte(w.api.requests[0].body), &ops))
	for _, op := range ops {
		assert.Equal(t, "add", op.Op)
	}
}

func TestApplyStopsWithItsContext(t *testing.T) {
	w, want := newWorld(t), desired(identity.ServiceAccount)
	ctx, cancel := context.WithCancel(t.Context())
	w.stored(t, want)
	w.api.next(http.MethodPatch, func(request) error {
		cancel()
		return apierrors.NewConflict(secretsResource, "app", nil)
	})
	_, _, err := w.Apply(ctx, want, creds)
	requireStep(t, err, api.UpdateSecretFailed)
	assert.Equal(t, []string{"PATCH"}, w.api.verbs())
}

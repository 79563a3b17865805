package admission

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"kube-aws-iam-controller/test/cluster"
	"kube-aws-iam-controller/test/kit"
)

const (
	requests = "iam.amazonaws.com/requests"
	asking   = `"iam.amazonaws.com/role":"app"`
	irsa     = `"eks.amazonaws.com/role-arn":"arn:aws:iam::123456789012:role/app"`
	// applyArgs apply under a field manager's name of its own.
	applyArgs = "apply --server-side --force-conflicts --field-manager=somebody -f -"
)

// labelAll is what the documentation says to bring the labels up to date with: a value of which the policy makes the right
// one, that is trusted by nobody where there is no policy, and that differs each time, lest kubectl writes nothing. Where
// a ServiceAccount of another test is deleted between kubectl's list and its write, it has to be run again.
func (a *accounts) labelAll(t *testing.T) {
	t.Helper()
	require.NoError(t, kit.Eventually(t.Context(), within, func(ctx context.Context) error {
		args := fmt.Sprintf("label serviceaccounts --all --all-namespaces --overwrite %s=unknown-%d", requests, time.Now().UnixNano())
		_, err := a.KubectlInput(ctx, strings.NewReader(""), strings.Fields(args)...)
		if err != nil && !strings.Contains(err.Error(), "(NotFound)") {
			t.Error(err) // nothing else is to be tried again
			return nil
		}
		return err
	}))
}

// accounts is a namespace in a cluster with the policy installed.
type accounts struct {
	*cluster.Cluster

	namespace string
}

func newAccounts(t *testing.T) *accounts {
	t.Helper()
	a := &accounts{Cluster: shared.Get(t)}
	a.namespace = a.NewNamespace(t)
	return a
}

func newLabelled(t *testing.T) *accounts {
	t.Helper()
	a := newAccounts(t)
	a.install(t, nil)
	return a
}

// install installs the policy with settings, until the test ends.
func (a *accounts) install(t *testing.T, settings map[string]string) {
	t.Helper()
	policy := kit.PolicyComponent(image, settings)
	require.NoError(t, policy.Apply(t.Context(), a.Access))
	t.Cleanup(func() { assert.NoError(t, policy.Delete(context.Background(), a.Access)) })
	a.await(t, "none")
}

// await returns once new ServiceAccounts are labelled, or no longer, and the pods of annotated ones mutated.
func (a *accounts) await(t *testing.T, label string) {
	t.Helper()
	a.apply(t, "probe", `"annotations":{`+asking+`}`)
	require.NoError(t, kit.Eventually(t.Context(), within, func(ctx context.Context) error {
		account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "dry"}}
		made, err := a.Client().CoreV1().ServiceAccounts(a.namespace).Create(ctx, account, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if err == nil && made.Labels[requests] != label {
			err = fmt.Errorf("a new ServiceAccount has labels %v", made.Labels)
		}
		return errors.Join(err, a.mutates(ctx, "probe", label != ""))
	}))
}

// mutates returns an error if pods of a ServiceAccount are not given credentials, or are.
func (a *accounts) mutates(ctx context.Context, account string, want bool) error {
	pod := probe.Given.DeepCopy()
	pod.Spec.ServiceAccountName = account
	made, err := a.Client().CoreV1().Pods(a.namespace).Create(ctx, pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if err == nil && (len(made.Spec.Containers[0].Env) > 0) != want {
		err = fmt.Errorf("its pods have the variables %v", made.Spec.Containers[0].Env)
	}
	return err
}

// assertMutates waits until the API server has seen the ServiceAccount as it is.
func (a *accounts) assertMutates(t *testing.T, account string, want bool) {
	t.Helper()
	assert.NoError(t, kit.Eventually(t.Context(), within, func(ctx context.Context) error { return a.mutates(ctx, account, want) }))
}

// text is a ServiceAccount, by fields of its metadata.
func (a *accounts) text(name, fields string) string {
	if fields != "" {
		fields = "," + fields
	}
	return fmt.Sprintf(`{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":%q,"namespace":%q%s}}`, name, a.namespace, fields)
}

func (a *accounts) kubectl(t *testing.T, input, args string) string {
	t.Helper()
	out, err := a.KubectlInput(t.Context(), strings.NewReader(input), strings.Fields(args)...)
	require.NoError(t, err)
	return out
}

// apply writes a ServiceAccount, under a field manager's name of its own.
func (a *accounts) apply(t *testing.T, name, fields string) {
	t.Helper()
	a.kubectl(t, a.text(name, fields), applyArgs)
}

func (a *accounts) get(t *testing.T, name string) *corev1.ServiceAccount {
	t.Helper()
	found, err := a.Client().CoreV1().ServiceAccounts(a.namespace).Get(t.Context(), name, metav1.GetOptions{})
	require.NoError(t, err)
	return found
}

func (a *accounts) patch(t *testing.T, name string, kind types.PatchType, patch string) {
	t.Helper()
	_, err := a.Client().CoreV1().ServiceAccounts(a.namespace).Patch(t.Context(), name, kind, []byte(patch), metav1.PatchOptions{})
	require.NoError(t, err)
}

// An accountWrite makes a ServiceAccount of fields of its metadata, and changes it.
type accountWrite struct {
	title, made string
	then        func(name string) error // nil for nothing
	asks        bool
}

// writes are what may become of a ServiceAccount, in each way that there is to write it.
func (a *accounts) writes(ctx context.Context) []accountWrite {
	label := func(value string) string { return `"labels":{"` + requests + `":"` + value + `","team":"a"}` }
	metadata := func(fields string) string { return `{"metadata":{` + fields + `}}` }
	patch := func(kind types.PatchType, text string) func(string) error {
		return func(name string) error {
			_, err := a.Client().CoreV1().ServiceAccounts(a.namespace).Patch(ctx, name, kind, []byte(text), metav1.PatchOptions{})
			return err
		}
	}
	merge := func(fields string) func(string) error { return patch(types.MergePatchType, metadata(fields)) }
	kubectl := func(fields, args string) func(string) error {
		return func(name string) error {
			_, err := a.KubectlInput(ctx, strings.NewReader(a.text(name, fields)), strings.Fields(args)...)
			return err
		}
	}
	apply := func(fields string) func(string) error { return kubectl(fields, applyArgs) }
	replace := func(fields string) func(string) error { return kubectl(fields, "replace -f -") }
	annotated, many := `"annotations":{`+asking+`}`, strings.Builder{}
	for i := range 10_000 {
		fmt.Fprintf(&many, `"example.com/%d":"x",`, i)
	}
	return []accountWrite{
		{"asks for nothing", "", nil, false},
		{"asks for nothing, labels null", `"labels":null`, nil, false},
		{"asks for nothing, has other labels", `"labels":{"team":"a"}`, nil, false},
		{"asks for nothing, has another value", label("x"), nil, false},
		{"says how and asks for nothing", `"annotations":{"iam.amazonaws.com/region":"eu-central-1","iam.amazonaws.com/role-arn":"x"}`, nil, false},
		{"asks as for IRSA, which does not count", `"annotations":{` + irsa + `}`, nil, false},
		{"asks for nothing in 10,000 annotations", `"annotations":{` + strings.TrimSuffix(many.String(), ",") + `}`, nil, false},
		{"asks in 10,000 annotations", `"annotations":{` + many.String() + asking + `}`, nil, true},
		{"asks", annotated, nil, true},
		{"asks with an empty value", `"annotations":{"iam.amazonaws.com/role":""}`, nil, true},
		{"asks for a role of its own", `"annotations":{"iam.amazonaws.com/role-policy":"{}"}`, nil, true},
		{"asks for policies", `"annotations":{"iam.amazonaws.com/managed-policies":"x"}`, nil, true},
		{"asks, and is made with the label", annotated + "," + label("none"), nil, true},
		{"is annotated by a merge patch", "", merge(annotated), true},
		{"is annotated by a merge patch with the label", "", merge(annotated + "," + label("none")), true},
		{"is annotated by a JSON patch", "", patch(types.JSONPatchType, `[{"op":"add","path":"/metadata/annotations","value":{`+asking+`}}]`), true},
		{"is annotated by a strategic merge patch", "", patch(types.StrategicMergePatchType, metadata(annotated+`,"labels":{"$patch":"replace","`+requests+`":"none"}`)), true},
		{"is annotated by server-side apply with the label", label("none"), apply(annotated + "," + label("none")), true},
		{"is annotated by a replacement with the label", "", replace(annotated + "," + label("none")), true},
		{"asks, and is labelled by a merge patch", annotated, merge(label("none")), true},
		{"asks, and is labelled by a JSON patch", annotated, patch(types.JSONPatchType, `[{"op":"add","path":"/metadata/labels","value":{"`+requests+`":"none"}}]`), true},
		{"asks, and is labelled by server-side apply", annotated, apply(annotated + "," + label("none")), true},
		{"asks, and has another value", annotated, merge(label("x")), true},
		{"asks no longer", annotated, merge(`"annotations":null`), false},
		{"asks no longer, by server-side apply", annotated, apply(""), false},
		{"has the label taken off", "", merge(`"labels":null`), false},
		{"has the label emptied", "", merge(label("")), false},
		{"is replaced without the label", "", replace(""), false},
	}
}

func TestServiceAccountsThatAskForNothingAreLabelledAndNoOthers(t *testing.T) {
	a := newLabelled(t)
	for i, test := range a.writes(t.Context()) {
		t.Run(test.title, func(t *testing.T) {
			name := fmt.Sprintf("app-%d", i)
			a.apply(t, name, test.made)
			if test.then != nil {
				require.NoError(t, test.then(name))
			}
			value, has := a.get(t, name).Labels[requests]
			assert.Equal(t, !test.asks, has)
			assert.Equal(t, !test.asks, value == "none")
			a.assertMutates(t, name, test.asks)
		})
	}
	t.Run("default", func(t *testing.T) {
		other := &accounts{Cluster: a.Cluster, namespace: a.NewNamespace(t)}
		assert.Equal(t, "none", other.get(t, "default").Labels[requests])
	})
}

// TestServiceAccountsThatAskAsForIRSAAreNotLabelled turns the setting on after ServiceAccounts were labelled without it.
func TestServiceAccountsThatAskAsForIRSAAreNotLabelled(t *testing.T) {
	a := newLabelled(t)
	a.apply(t, "before", `"annotations":{`+irsa+`}`)
	assert.Equal(t, "none", a.get(t, "before").Labels[requests])
	settings := kit.PolicyComponent(image, map[string]string{"IRSA_ANNOTATIONS": "true"})
	require.NoError(t, settings.Apply(t.Context(), a.Access))
	require.NoError(t, kit.Eventually(t.Context(), within, func(ctx context.Context) error {
		account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{
			Name: "dry", Annotations: map[string]string{"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/app"},
		}}
		made, err := a.Client().CoreV1().ServiceAccounts(a.namespace).Create(ctx, account, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if err == nil && made.Labels[requests] != "" {
			err = errors.New("the setting is not in force yet")
		}
		return err
	}))
	for name, test := range map[string]struct {
		annotations string
		asks        bool
	}{
		"asks": {irsa, true}, "both": {irsa + "," + asking, true}, "empty": {`"eks.amazonaws.com/role-arn":""`, false},
		"white-space": {`"eks.amazonaws.com/role-arn":" \n\u3000"`, false}, "options": {`"eks.amazonaws.com/token-expiration":"86400"`, false},
	} {
		a.apply(t, name, `"annotations":{`+test.annotations+`}`)
		assert.Equal(t, !test.asks, a.get(t, name).Labels[requests] == "none", name)
		a.assertMutates(t, name, test.asks)
	}
	a.labelAll(t)
	assert.Empty(t, a.get(t, "before").Labels)
	a.assertMutates(t, "before", true)
}

// TestToolsThatApplyAServiceAccountSeeNoDifference applies what is there already: nothing is written, and nobody is in
// another's way.
func TestToolsThatApplyAServiceAccountSeeNoDifference(t *testing.T) {
	a := newLabelled(t)
	for _, how := range []string{"apply", "apply --server-side", "replace --save-config"} {
		for title, fields := range map[string]string{"nothing": `"labels":{"team":"a"}`, "asks": `"annotations":{` + asking + `}`} {
			t.Run(how+" "+title, func(t *testing.T) {
				name := strings.ToLower(strings.NewReplacer(" ", "", "-", "").Replace(how + title))
				text := a.text(name, fields)
				first := "apply"
				if how == "apply --server-side" {
					first = how
				}
				a.kubectl(t, text, first+" -f -")
				before := a.get(t, name)
				a.kubectl(t, text, how+" -f -")
				after := a.get(t, name)
				assert.Equal(t, before.ResourceVersion, after.ResourceVersion, "%v then %v", before, after)
				diff := "diff"
				if how == "apply --server-side" {
					diff += " --server-side"
				}
				assert.Empty(t, a.kubectl(t, text, diff+" -f -"))
				a.kubectl(t, a.text(name, `"annotations":{"example.com/other":"x"}`), "apply --server-side --field-manager=another -f -")
				a.kubectl(t, text, how+" -f -")
			})
		}
	}
}

func TestServiceAccountsFromBeforeAreRightAndCanBeLabelled(t *testing.T) {
	a := newAccounts(t)
	a.await(t, "")
	a.apply(t, "asks", `"annotations":{`+asking+`}`)
	a.apply(t, "nothing", "")
	a.apply(t, "stale", `"annotations":{`+asking+`},"labels":{"`+requests+`":"none"}`)
	a.labelAll(t) // while nothing is installed, too: nobody is hidden by it
	a.install(t, nil)
	for name, asks := range map[string]bool{"asks": true, "nothing": false, "stale": true} {
		a.assertMutates(t, name, asks)
	}
	a.labelAll(t)
	assert.Equal(t, "none", a.get(t, "nothing").Labels[requests])
	assert.Empty(t, a.get(t, "asks").Labels)
	assert.Empty(t, a.get(t, "stale").Labels)
	for name, asks := range map[string]bool{"asks": true, "nothing": false, "stale": true} {
		a.assertMutates(t, name, asks)
	}
}

// TestAWebhookThatAnnotatesServiceAccountsIsFollowed has one annotate what asked for nothing when the policy saw it.
func TestAWebhookThatAnnotatesServiceAccountsIsFollowed(t *testing.T) {
	a := newLabelled(t)
	a.apply(t, "old", "")
	a.annotator(t)
	require.NoError(t, kit.Eventually(t.Context(), within, func(ctx context.Context) error {
		account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "dry"}}
		made, err := a.Client().CoreV1().ServiceAccounts(a.namespace).Create(ctx, account, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if err == nil && made.Annotations["iam.amazonaws.com/role"] == "" {
			err = errors.New("the webhook is not called yet")
		}
		return err
	}))
	a.apply(t, "app", "")
	a.patch(t, "old", types.MergePatchType, `{"metadata":{"labels":{"team":"a"}}}`)
	for _, name := range []string{"app", "old"} {
		assert.Equal(t, "app", a.get(t, name).Annotations["iam.amazonaws.com/role"], name)
		assert.NotContains(t, a.get(t, name).Labels, requests, name)
		a.assertMutates(t, name, true)
	}
}

// annotator is somebody else's webhook, in this namespace alone.
func (a *accounts) annotator(t *testing.T) {
	t.Helper()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var review admissionv1.AdmissionReview
		if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		kind := admissionv1.PatchTypeJSONPatch
		review.Response = &admissionv1.AdmissionResponse{
			UID: review.Request.UID, Allowed: true, PatchType: &kind,
			Patch: []byte(`[{"op":"add","path":"/metadata/annotations","value":{` + asking + `}}]`),
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(review)
	}))
	t.Cleanup(server.Close)
	none, fail, scope := admissionregistrationv1.SideEffectClassNone, admissionregistrationv1.Fail, admissionregistrationv1.NamespacedScope
	configurations := a.Client().AdmissionregistrationV1().MutatingWebhookConfigurations()
	_, err := configurations.Create(t.Context(), &admissionregistrationv1.MutatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "annotator"},
		Webhooks: []admissionregistrationv1.MutatingWebhook{{
			Name: "annotator.example.com", AdmissionReviewVersions: []string{"v1"}, SideEffects: &none, FailurePolicy: &fail,
			ClientConfig: admissionregistrationv1.WebhookClientConfig{
				URL: &server.URL, CABundle: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}),
			},
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: a.namespace}},
			Rules: []admissionregistrationv1.RuleWithOperations{{
				Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create, admissionregistrationv1.Update},
				Rule:       admissionregistrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"serviceaccounts"}, Scope: &scope},
			}},
		}},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	t.Cleanup(func() {
		assert.NoError(t, configurations.Delete(context.Background(), "annotator", metav1.DeleteOptions{}))
	})
}

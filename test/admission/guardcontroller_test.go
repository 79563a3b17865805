package admission

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"kube-aws-iam-controller/test/kit"
)

// resource is an AWSIAMRole of the namespace that asks for the role app, and returns its UID.
func (g *guarded) resource(name string, labels map[string]string) types.UID {
	g.t.Helper()
	text, err := json.Marshal(map[string]any{
		"apiVersion": "zalando.org/v1", "kind": "AWSIAMRole", "metadata": map[string]any{"name": name, "labels": labels},
		"spec": map[string]any{"roleReference": "app"},
	})
	require.NoError(g.t, err)
	_, err = g.KubectlInput(g.t.Context(), strings.NewReader(string(text)), "apply", "-n", g.namespace, "-f", "-")
	require.NoError(g.t, err)
	uid, err := g.Kubectl(g.t.Context(), "get", "awsiamrole", name, "-n", g.namespace, "-o", "jsonpath={.metadata.uid}")
	require.NoError(g.t, err)
	return types.UID(uid)
}

// left has a Secret be there that nobody could write now.
func (g *guarded) left(secret *corev1.Secret, fieldManager string) {
	g.t.Helper()
	_, err := g.exempt().CoreV1().Secrets(g.namespace).Create(g.t.Context(), secret, metav1.CreateOptions{FieldManager: fieldManager})
	require.NoError(g.t, err)
}

// becomes waits until a Secret is the controller's and looks as it is to.
func (g *guarded) becomes(name string, looks func(*corev1.Secret) error) {
	g.t.Helper()
	require.NoError(g.t, kit.Eventually(g.t.Context(), within, func(ctx context.Context) error {
		found, err := g.Client().CoreV1().Secrets(g.namespace).Get(ctx, name, metav1.GetOptions{})
		switch {
		case err != nil:
			return err
		case found.Annotations["iam.amazonaws.com/spec-hash"] == "" || len(found.Data["credentials.json"]) == 0 || len(found.OwnerReferences) != 1:
			return fmt.Errorf("%s is not the controller's: %v", name, found.ObjectMeta)
		}
		return looks(found)
	}))
}

func anything(*corev1.Secret) error { return nil }

// TestUnderTheGuardTheControllerDoesAllThatItDoes runs it with its own token.
func TestUnderTheGuardTheControllerDoesAllThatItDoes(t *testing.T) {
	g := newGuarded(t)
	aws := g.serve()

	owned := g.resource("owned", nil)
	for name, owners := range map[string][]metav1.OwnerReference{
		"owned": {{APIVersion: "zalando.org/v1", Kind: "AWSIAMRole", Name: "owned", UID: owned}}, "labelled": nil, "oldest": nil,
	} {
		old := secret(name)
		old.Labels, old.OwnerReferences = map[string]string{"heritage": "kube-aws-iam-controller", "type": "awsiamrole"}, owners
		if name == "oldest" {
			delete(old.Labels, "type")
		}
		if name != "owned" {
			g.left(old, "kube-aws-iam-controller")
			g.resource(name, nil)
		}
		g.becomes(name, func(s *corev1.Secret) error {
			if _, has := s.Data["k"]; has || s.Labels["type"] != "awsiamrole" {
				return errors.New("it is the predecessor's still")
			}
			return nil
		})
	}

	g.resource("db", map[string]string{"team": "a", "argocd.argoproj.io/instance": "x"})
	g.becomes("db", func(s *corev1.Secret) error { return lacks(s, "team", "a") })
	g.resource("db", map[string]string{"team": "b"})
	g.becomes("db", func(s *corev1.Secret) error {
		if _, has := s.Labels["argocd.argoproj.io/instance"]; has {
			return errors.New("the label is still there")
		}
		return lacks(s, "team", "b")
	})

	require.NoError(t, g.patch("serviceaccount", "app", `{"metadata":{"annotations":{"iam.amazonaws.com/role":"app"}}}`))
	g.becomes("app.aws-iam", anything)
	for what, patch := range map[string]string{
		"labels": `{"metadata":{"labels":null}}`, "data": `{"data":{"credentials":"eA==","more":"eA=="}}`, "owner": `{"metadata":{"ownerReferences":null}}`,
		"immutable": `{"immutable":true}`, "notes": `{"metadata":{"annotations":null}}`,
	} {
		_, err := g.exempt().CoreV1().Secrets(g.namespace).Patch(t.Context(), "app.aws-iam", types.MergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: "kubectl"})
		require.NoError(t, err, what)
		g.becomes("app.aws-iam", func(s *corev1.Secret) error {
			if s.Immutable != nil || len(s.Data) != 6 || string(s.Data["credentials"]) == "x" {
				return fmt.Errorf("%s is not restored", what)
			}
			return lacks(s, "iam.amazonaws.com/source", "serviceaccount")
		})
	}

	const policy = `{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"s3:GetObject\",\"Resource\":\"*\"}]}`
	require.NoError(t, g.patch("serviceaccount", "other", `{"metadata":{"annotations":{"iam.amazonaws.com/role-policy":"`+policy+`"}}}`))
	g.becomes("other.aws-iam", anything)
	require.NoError(t, g.patch("serviceaccount", "app", `{"metadata":{"annotations":{"iam.amazonaws.com/role":null}}}`))
	require.NoError(t, g.tenant.CoreV1().ServiceAccounts(g.namespace).Delete(t.Context(), "other", metav1.DeleteOptions{}))
	_, err := g.Kubectl(t.Context(), "delete", "awsiamrole", "db", "-n", g.namespace)
	require.NoError(t, err)
	for _, name := range []string{"app.aws-iam", "other.aws-iam", "db"} {
		g.gone(func(ctx context.Context) error {
			_, err := g.Client().CoreV1().Secrets(g.namespace).Get(ctx, name, metav1.GetOptions{})
			return err
		})
	}
	g.gone(func(ctx context.Context) error {
		_, err := g.Client().CoreV1().ServiceAccounts(g.namespace).Get(ctx, "other", metav1.GetOptions{})
		return err
	})
	assert.Equal(t, 1, aws.Counts()["DeleteRole"])
}

// lacks returns an error unless a Secret has a label.
func lacks(s *corev1.Secret, key, value string) error {
	if s.Labels[key] != value {
		return fmt.Errorf("the labels are %v", s.Labels)
	}
	return nil
}

// What the controller's own token may do else, and what it may not.
func TestTheGuardBindsWhatElseTheControllerWrites(t *testing.T) {
	g := newGuarded(t)
	_, err := kit.Install(t.Context(), g.Access)
	require.NoError(t, err)
	config, err := g.ServiceAccountConfig(t.Context(), kit.Namespace, kit.Account)
	require.NoError(t, err)
	own, err := kubernetes.NewForConfig(config)
	require.NoError(t, err)
	g.resource("db", nil)

	_, err = g.exempt().CoreV1().ServiceAccounts(g.namespace).Patch(t.Context(), "app", types.MergePatchType, []byte(
		`{"metadata":{"labels":{"iam.amazonaws.com/x":"y","a":"b"},"annotations":{"iam.amazonaws.com/role-arn":"x","a":"b"},"finalizers":["iam.amazonaws.com/role","a.example.com/b"]}}`), metav1.PatchOptions{})
	require.NoError(t, err)
	change := func(patch string) error {
		_, patchErr := own.CoreV1().ServiceAccounts(g.namespace).Patch(t.Context(), "app", types.MergePatchType, []byte(patch), metav1.PatchOptions{DryRun: dry.DryRun})
		return patchErr
	}
	for _, patch := range []string{
		`{"metadata":{"labels":{"iam.amazonaws.com/x":null}}}`, `{"metadata":{"annotations":{"iam.amazonaws.com/role-arn":null}}}`,
		`{"metadata":{"annotations":{"iam.amazonaws.com/role-arn":"y"}}}`, `{"metadata":{"finalizers":["a.example.com/b"]}}`,
	} {
		require.NoError(t, change(patch), patch)
	}
	for _, patch := range []string{
		`{"metadata":{"labels":{"iam.amazonaws.com/x":"z"}}}`, `{"metadata":{"labels":{"a":null}}}`, `{"metadata":{"annotations":{"a":null}}}`,
		`{"metadata":{"annotations":{"a":"c"}}}`, `{"metadata":{"finalizers":["iam.amazonaws.com/role"]}}`,
	} {
		err = change(patch)
		require.ErrorContains(t, err, "kube-aws-iam-controller may not change the ServiceAccount "+g.namespace+"/app: ", patch)
		require.True(t, apierrors.IsForbidden(err), patch)
	}

	err = g.Client().CoreV1().Secrets(kit.Namespace).Delete(t.Context(), name, metav1.DeleteOptions{}) // of another test's webhook
	require.True(t, err == nil || apierrors.IsNotFound(err), "%v", err)
	tls := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name}, Type: corev1.SecretTypeTLS, StringData: map[string]string{"tls.crt": "x", "tls.key": "x"}}
	_, err = own.CoreV1().Secrets(kit.Namespace).Create(t.Context(), tls, dry)
	require.NoError(t, err)
	_, err = own.CoreV1().Secrets(g.namespace).Create(t.Context(), tls, dry)
	require.ErrorContains(t, err, "kube-aws-iam-controller may not create the Secret "+g.namespace+"/"+name+" of the type kubernetes.io/tls: ")
	_, err = own.CoreV1().Events(g.namespace).Create(t.Context(), &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{Name: "e", Namespace: g.namespace}, Source: corev1.EventSource{Component: "kubelet"},
		InvolvedObject: corev1.ObjectReference{Namespace: g.namespace},
	}, dry)
	require.ErrorContains(t, err, "kube-aws-iam-controller may not create the Event "+g.namespace+"/e: ")
	g.leases()
}

// leases shows that a Lease of another name, which somebody else created, is led by still.
func (g *guarded) leases() {
	g.t.Helper()
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: "elsewhere"}}
	config := g.UserConfig("system:serviceaccount:"+kit.Namespace+":"+kit.Account, "system:masters") // whatever RBAC says
	own, err := kubernetes.NewForConfig(config)
	require.NoError(g.t, err)
	_, err = own.CoordinationV1().Leases(g.namespace).Create(g.t.Context(), lease, dry)
	require.ErrorContains(g.t, err, "kube-aws-iam-controller may not create the Lease "+g.namespace+"/elsewhere: ")
	lease, err = g.Client().CoordinationV1().Leases(g.namespace).Create(g.t.Context(), lease, metav1.CreateOptions{})
	require.NoError(g.t, err)
	lease.Spec.HolderIdentity = new("it")
	_, err = own.CoordinationV1().Leases(g.namespace).Update(g.t.Context(), lease, metav1.UpdateOptions{})
	require.NoError(g.t, err)
	require.Error(g.t, own.CoordinationV1().Leases(g.namespace).Delete(g.t.Context(), "elsewhere", metav1.DeleteOptions{}))
}

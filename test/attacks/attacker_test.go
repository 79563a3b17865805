package attacks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"kube-aws-iam-controller/test/cluster"
	"kube-aws-iam-controller/test/kit"
)

// An actor is who attacks, and from where.
type actor int

const (
	// tenant may edit a namespace of its own.
	tenant actor = iota
	// stranger has a network address in the cluster, and no right at all.
	stranger
	// creator may create namespaces, and edit what it created.
	creator
	// thief has the token of the controller's ServiceAccount.
	thief
)

// actors are how docs/security.md introduces each.
var actors = map[actor]string{
	tenant:   "A tenant with `edit` in a namespace",
	stranger: "A stranger on the cluster network without any permission",
	creator:  "Somebody who can create and edit namespaces",
	thief:    "A thief with the token of the controller's ServiceAccount",
}

// An attack is what an actor tries. It fails the test if it succeeds.
type attack struct {
	actor actor
	// intent is what the actor wants, and by is what stops it, a line each.
	intent, by string
	try        func(*attacker)
	// guard says that only the guard stops it.
	guard bool
}

// An attacker is a tenant of an installation, and the tenant's namespace.
type attacker struct {
	*installation

	t         *testing.T
	namespace string
	tenant    kubernetes.Interface
}

// run has every attack tried on an installation, all at once.
func run(t *testing.T, how settings, attacks []attack) {
	t.Helper()
	g := newInstallation(t, how)
	for _, each := range attacks {
		if each.guard && !how.guarded {
			continue
		}
		t.Run(each.intent, func(t *testing.T) {
			if !how.webhook {
				t.Parallel()
			}
			a := g.enter(t)
			each.try(a)
			a.assertNoHarm()
		})
	}
}

func (g *installation) enter(t *testing.T) *attacker {
	t.Helper()
	a := &attacker{installation: g, t: t, namespace: g.newNamespace(t, `["NAMESPACE*"]`)}
	var err error
	a.tenant, err = kubernetes.NewForConfig(g.TenantConfig(t, a.namespace))
	require.NoError(t, err)
	return a
}

// assertNoHarm shows that the victim has what it had, and that the attacker has credentials of nobody else's role.
func (a *attacker) assertNoHarm() {
	a.t.Helper()
	ctx := a.t.Context()
	for name, secret := range a.secrets {
		have, err := a.Client().CoreV1().Secrets(a.victim).Get(ctx, secret.Name, metav1.GetOptions{})
		require.NoError(a.t, err, "the victim's Secret")
		assert.Equal(a.t, secret.UID+"@"+types.UID(secret.ResourceVersion), have.UID+"@"+types.UID(have.ResourceVersion), "nobody wrote to the victim's Secret")
		assert.Equal(a.t, a.roles[name], string(have.Data["role-arn"]))
		who, err := a.holder(ctx, have)
		require.NoError(a.t, err, "the victim's credentials are good")
		assert.Contains(a.t, who, ":assumed-role/"+roleName(a.roles[name])+"/")
		assert.Equal(a.t, a.trusts[name], a.describe(ctx, a.roles[name]), "the victim's role is as it was")
	}
	list, err := a.Client().CoreV1().Secrets(a.namespace).List(ctx, metav1.ListOptions{Limit: 100}) // of a flood, some
	require.NoError(a.t, err)
	for i := range list.Items {
		if who, err := a.holder(ctx, &list.Items[i]); err == nil {
			assert.Contains(a.t, who, ":assumed-role/"+a.namespace, "the attacker's %s", list.Items[i].Name)
		}
	}
}

// holder is whose credentials a Secret holds, by STS's word.
func (a *attacker) holder(ctx context.Context, secret *corev1.Secret) (string, error) {
	creds, err := kit.Read(secret)
	if err != nil {
		return "", err
	}
	return a.aws.WhoAmI(ctx, creds.AccessKeyID, creds.SecretAccessKey, creds.SessionToken)
}

func roleName(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }

// account is a ServiceAccount that asks for something.
func account(name string, annotations map[string]string) *corev1.ServiceAccount {
	return kit.NewAccount(name, annotations)
}

// resource is an AWSIAMRole, as JSON.
func resource(name string, labels map[string]string, reference string) string {
	text, err := json.Marshal(map[string]any{
		"apiVersion": "zalando.org/v1", "kind": "AWSIAMRole",
		"metadata": map[string]any{"name": name, "labels": labels}, "spec": map[string]any{"roleReference": reference},
	})
	if err != nil {
		return "" // strings always marshal
	}
	return string(text)
}

// ask has the attacker create a ServiceAccount with annotations, as pairs.
func (a *attacker) ask(name string, annotations ...string) {
	a.t.Helper()
	m := map[string]string{}
	for i := 0; i < len(annotations); i += 2 {
		m[annotations[i]] = annotations[i+1]
	}
	_, err := a.tenant.CoreV1().ServiceAccounts(a.namespace).Create(a.t.Context(), account(name, m), metav1.CreateOptions{})
	require.NoError(a.t, err)
}

// askAgain changes the annotations of the ServiceAccount app, with null to take one off.
func (a *attacker) askAgain(annotations string) {
	a.t.Helper()
	require.NoError(a.t, a.patch("serviceaccounts", "app", `{"metadata":{"annotations":`+annotations+`}}`, ""))
}

// kubectl runs as the attacker, in the attacker's namespace.
func (a *attacker) kubectl(input string, args ...string) error {
	a.t.Helper()
	all := append([]string{"--as", cluster.Tenant(a.namespace), "-n", a.namespace}, args...)
	_, err := a.KubectlInput(a.t.Context(), strings.NewReader(input), all...)
	return err
}

// patch changes an object of the attacker's, under a field manager.
func (a *attacker) patch(resource, name, patch, manager string) error {
	a.t.Helper()
	return a.tenant.CoreV1().RESTClient().Patch(types.MergePatchType).Namespace(a.namespace).Resource(resource).Name(name).
		Param("fieldManager", manager).Body([]byte(patch)).Do(a.t.Context()).Error()
}

// own is the name of a role of the attacker's, which the attacker may well use.
func (a *attacker) own(name string) string {
	a.t.Helper()
	arn, err := a.aws.Role(kit.AccountID, "", a.namespace+"-"+name, a.namespace+"/test")
	require.NoError(a.t, err)
	return roleName(arn)
}

// objects are those of the attacker's namespace, as an administrator sees them.
func (a *attacker) objects() kit.Objects { return kit.In(a.Access, a.namespace) }

// got waits for a Secret of the attacker's that the controller wrote.
func (a *attacker) got(name string) *corev1.Secret {
	a.t.Helper()
	found, err := a.objects().Secret(a.t.Context(), name, func(found *corev1.Secret) error {
		if found.Annotations["iam.amazonaws.com/spec-hash"] == "" {
			return errors.New("it is not the controller's")
		}
		return nil
	})
	require.NoError(a.t, err)
	return found
}

// gone waits until there is no such Secret.
func (a *attacker) gone(name string) {
	a.t.Helper()
	require.NoError(a.t, a.objects().NoSecret(a.t.Context(), name))
}

func (a *attacker) eventually(done func(context.Context) error) {
	a.t.Helper()
	require.NoError(a.t, kit.Eventually(a.t.Context(), within, done))
}

// warned waits for a warning on an object of the attacker's that says something.
func (a *attacker) warned(kind, name, reason, says string) {
	a.t.Helper()
	objects := a.objects()
	objects.As = a.tenant
	_, err := objects.Event(a.t.Context(), kit.Said{Kind: kind, Name: name, Reason: reason, Type: corev1.EventTypeWarning, Text: says})
	require.NoError(a.t, err)
}

// said says whether there is such an event.
func (a *attacker) said(kind, name, reason string) bool {
	a.t.Helper()
	list, err := a.tenant.CoreV1().Events(a.namespace).List(a.t.Context(), metav1.ListOptions{
		FieldSelector: "involvedObject.kind=" + kind + ",involvedObject.name=" + name + ",reason=" + reason,
	})
	require.NoError(a.t, err)
	return len(list.Items) > 0
}

// nothing shows that the attacker has no such Secret.
func (a *attacker) nothing(name string) {
	a.t.Helper()
	_, err := a.Client().CoreV1().Secrets(a.namespace).Get(a.t.Context(), name, metav1.GetOptions{})
	assert.True(a.t, apierrors.IsNotFound(err), "%v", err)
}

// forbidden shows that the API server refused something.
func (a *attacker) forbidden(err error) {
	a.t.Helper()
	said := fmt.Sprint(err) // by kubectl, in one of two ways
	assert.True(a.t, apierrors.IsForbidden(err) || strings.Contains(said, "(Forbidden)") || strings.Contains(said, " is forbidden: "), "%v", err)
}

// unlessGuarded says whether what the guard forbids could be done.
func (a *attacker) unlessGuarded(err error) bool {
	a.t.Helper()
	if a.guarded {
		a.forbidden(err)
		return false
	}
	require.NoError(a.t, err)
	return true
}

// settled gives the controller the time to do wrong.
func settled() { time.Sleep(2 * time.Second) }

package attacks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
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
	tenant:   "A tenant, who may edit a namespace",
	stranger: "A stranger, who has an address in the cluster's network and no right at all",
	creator:  "Somebody who may create namespaces, and edit them",
	thief:    "A thief, who has the token of the controller's ServiceAccount",
}

// An attack is what an actor tries. It fails the test if it succeeds.
type attack struct {
	actor actor
	// intent is what the actor wants, and by is what stops it, a line each.
	intent, by string
	try        func(*arena)
	// guard says that only the guard stops it.
	guard bool
}

// An arena is a ground with an attacker and the attacker's namespace.
type arena struct {
	*ground

	t         *testing.T
	namespace string
	tenant    kubernetes.Interface
}

// face has every attack tried at once.
func face(t *testing.T, how settings, attacks []attack) {
	t.Helper()
	g := newGround(t, how)
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

func (g *ground) enter(t *testing.T) *arena {
	t.Helper()
	a := &arena{ground: g, t: t, namespace: g.newNamespace(t, `["NAMESPACE*"]`)}
	var err error
	a.tenant, err = kubernetes.NewForConfig(g.TenantConfig(t, a.namespace))
	require.NoError(t, err)
	return a
}

// assertNoHarm shows that the victim has what it had, and that the attacker has credentials of nobody else's role.
func (a *arena) assertNoHarm() {
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
func (a *arena) holder(ctx context.Context, secret *corev1.Secret) (string, error) {
	creds, err := credentials(secret)
	if err != nil {
		return "", err
	}
	return a.aws.WhoAmI(ctx, creds.AccessKeyID, creds.SecretAccessKey, creds.SessionToken)
}

// credentials are those in a Secret.
func credentials(secret *corev1.Secret) (creds aws.Credentials, err error) {
	err = json.Unmarshal(secret.Data["credentials.json"], &struct {
		ID    *string `json:"AccessKeyId"`
		Key   *string `json:"SecretAccessKey"`
		Token *string `json:"SessionToken"`
	}{&creds.AccessKeyID, &creds.SecretAccessKey, &creds.SessionToken})
	return creds, err
}

func roleName(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }

// account is a ServiceAccount that asks for something.
func account(name string, annotations map[string]string) *corev1.ServiceAccount {
	all := map[string]string{}
	for key, value := range annotations {
		all["iam.amazonaws.com/"+key] = value
	}
	return &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: all}}
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
func (a *arena) ask(name string, annotations ...string) {
	a.t.Helper()
	m := map[string]string{}
	for i := 0; i < len(annotations); i += 2 {
		m[annotations[i]] = annotations[i+1]
	}
	_, err := a.tenant.CoreV1().ServiceAccounts(a.namespace).Create(a.t.Context(), account(name, m), metav1.CreateOptions{})
	require.NoError(a.t, err)
}

// askAgain changes the annotations of the ServiceAccount app, with null to take one off.
func (a *arena) askAgain(annotations string) {
	a.t.Helper()
	require.NoError(a.t, a.patch("serviceaccounts", "app", `{"metadata":{"annotations":`+annotations+`}}`, ""))
}

// kubectl runs as the attacker, in the attacker's namespace.
func (a *arena) kubectl(input string, args ...string) error {
	a.t.Helper()
	all := append([]string{"--as", cluster.Tenant(a.namespace), "-n", a.namespace}, args...)
	_, err := a.KubectlInput(a.t.Context(), strings.NewReader(input), all...)
	return err
}

// patch changes an object of the attacker's, under a field manager.
func (a *arena) patch(resource, name, patch, manager string) error {
	a.t.Helper()
	return a.tenant.CoreV1().RESTClient().Patch(types.MergePatchType).Namespace(a.namespace).Resource(resource).Name(name).
		Param("fieldManager", manager).Body([]byte(patch)).Do(a.t.Context()).Error()
}

// own is the name of a role of the attacker's, which the attacker may well use.
func (a *arena) own(name string) string {
	a.t.Helper()
	arn, err := a.aws.Role(kit.AccountID, "", a.namespace+"-"+name, a.namespace+"/test")
	require.NoError(a.t, err)
	return roleName(arn)
}

// got waits for a Secret of the attacker's that the controller wrote.
func (a *arena) got(name string) (found *corev1.Secret) {
	a.t.Helper()
	a.eventually(func(ctx context.Context) (err error) {
		found, err = a.Client().CoreV1().Secrets(a.namespace).Get(ctx, name, metav1.GetOptions{})
		if err == nil && found.Annotations["iam.amazonaws.com/spec-hash"] == "" {
			err = errors.New("it is not the controller's")
		}
		return err
	})
	return found
}

// gone waits until there is no such Secret.
func (a *arena) gone(name string) {
	a.t.Helper()
	a.eventually(func(ctx context.Context) error {
		_, err := a.Client().CoreV1().Secrets(a.namespace).Get(ctx, name, metav1.GetOptions{})
		if err == nil {
			return fmt.Errorf("secret %s is still there", name)
		}
		return ignoreNotFound(err)
	})
}

func ignoreNotFound(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

func (a *arena) eventually(done func(context.Context) error) {
	a.t.Helper()
	require.NoError(a.t, kit.Eventually(a.t.Context(), within, done))
}

// warned waits for a warning on an object of the attacker's that says something.
func (a *arena) warned(kind, name, reason, says string) {
	a.t.Helper()
	a.eventually(func(ctx context.Context) error {
		list, err := a.tenant.CoreV1().Events(a.namespace).List(ctx, metav1.ListOptions{
			FieldSelector: "involvedObject.kind=" + kind + ",involvedObject.name=" + name + ",type=Warning",
		})
		if err != nil {
			return err
		}
		var others []string
		for i := range list.Items {
			if list.Items[i].Reason == reason && strings.Contains(list.Items[i].Message, says) {
				return nil
			}
			others = append(others, list.Items[i].Reason+": "+list.Items[i].Message)
		}
		return fmt.Errorf("no warning %s with %q, but %q", reason, says, others)
	})
}

// said says whether there is such an event.
func (a *arena) said(kind, name, reason string) bool {
	a.t.Helper()
	list, err := a.tenant.CoreV1().Events(a.namespace).List(a.t.Context(), metav1.ListOptions{
		FieldSelector: "involvedObject.kind=" + kind + ",involvedObject.name=" + name + ",reason=" + reason,
	})
	require.NoError(a.t, err)
	return len(list.Items) > 0
}

// nothing shows that the attacker has no such Secret.
func (a *arena) nothing(name string) {
	a.t.Helper()
	_, err := a.Client().CoreV1().Secrets(a.namespace).Get(a.t.Context(), name, metav1.GetOptions{})
	assert.True(a.t, apierrors.IsNotFound(err), "%v", err)
}

// forbidden shows that the API server refused something.
func (a *arena) forbidden(err error) {
	a.t.Helper()
	said := fmt.Sprint(err) // by kubectl, in one of two ways
	assert.True(a.t, apierrors.IsForbidden(err) || strings.Contains(said, "(Forbidden)") || strings.Contains(said, " is forbidden: "), "%v", err)
}

// unlessGuarded says whether what the guard forbids could be done.
func (a *arena) unlessGuarded(err error) bool {
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

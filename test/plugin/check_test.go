package plugin

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"kube-aws-iam-controller/test/cluster"
	"kube-aws-iam-controller/test/kit"
)

// A checkWorld is a control plane of its own, without a controller manager, which would say that no replica is ready: no
// node runs one.
type checkWorld struct {
	*cluster.Cluster

	t   *testing.T
	aws *kit.AWS
}

func newCheckWorld(t *testing.T) *checkWorld {
	t.Helper()
	control, aws := startAlone(t, cluster.Options{WithoutControllerManager: true})
	return &checkWorld{Cluster: control, t: t, aws: aws}
}

// finding is one as the plugin prints it.
type finding struct {
	Check   string `json:"check"`
	State   string `json:"state"`
	Message string `json:"message"`
	Remedy  string `json:"remedy"`
}

func (w *checkWorld) check(kubeconfig string, args ...string) (all []finding, code int) {
	w.t.Helper()
	out, err := kit.RunPlugin(w.t.Context(), kubeconfig, append([]string{"check", "--output", "json"}, args...)...)
	require.NoError(w.t, err)
	var list struct {
		Kind  string    `json:"kind"`
		Items []finding `json:"items"`
	}
	require.NoError(w.t, json.Unmarshal([]byte(out.Stdout), &list), out.Stderr)
	assert.Equal(w.t, "FindingList", list.Kind)
	for _, secret := range w.aws.IssuedSecrets() {
		require.NotContains(w.t, out.Stdout+out.Stderr, secret)
	}
	return list.Items, out.Code
}

func (w *checkWorld) kubectl(args ...string) {
	w.t.Helper()
	_, err := w.Kubectl(w.t.Context(), args...)
	require.NoError(w.t, err)
}

func (w *checkWorld) apply(manifest string) {
	w.t.Helper()
	_, err := w.KubectlInput(w.t.Context(), strings.NewReader(manifest), "apply", "-f", "-")
	require.NoError(w.t, err)
}

// install applies manifests/base with components, and has its Deployment say that its replicas are ready.
func (w *checkWorld) install(components ...string) {
	w.t.Helper()
	root, err := cluster.Root()
	require.NoError(w.t, err)
	dir := w.t.TempDir()
	relative, err := filepath.Rel(dir, filepath.Join(root, "manifests"))
	require.NoError(w.t, err)
	text := "resources: [" + relative + "/base]\ncomponents:\n"
	for _, component := range components {
		text += "  - " + relative + "/components/" + component + "\n"
	}
	text += `configMapGenerator:
  - {name: kube-aws-iam-controller-settings, namespace: kube-system, behavior: merge, literals: [KUBE_AWS_IAM_CLUSTER_NAME=test]}
`
	require.NoError(w.t, os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(text), 0o600))
	w.kubectl("apply", "-k", dir)
	w.kubectl("wait", "--for=condition=Established", "--timeout=60s", "crd/awsiamroles.zalando.org")
	w.ready(2)
}

// ready has the Deployment say how many replicas are ready.
func (w *checkWorld) ready(replicas int) {
	w.t.Helper()
	_, err := w.Client().AppsV1().Deployments(kit.Namespace).Patch(w.t.Context(), kit.Account, types.MergePatchType,
		fmt.Appendf(nil, `{"status":{"replicas":2,"updatedReplicas":2,"availableReplicas":%[1]d,"readyReplicas":%[1]d}}`, replicas), metav1.PatchOptions{}, "status")
	require.NoError(w.t, err)
}

// start runs a controller that leads and has served somebody.
func (w *checkWorld) start() *kit.Controller {
	w.t.Helper()
	binary, err := kit.Binary()
	require.NoError(w.t, err)
	kubeconfig, err := w.ServiceAccountKubeconfig(w.t.Context(), kit.Namespace, kit.Account)
	require.NoError(w.t, err)
	c, err := kit.StartController(w.t.Context(), kit.Options{
		Binary: binary, Kubeconfig: kubeconfig, Log: filepath.Join(w.t.TempDir(), "log"),
		Args: []string{"--leader-elect", "--leader-elect-namespace=" + kit.Namespace},
		Env:  append(w.aws.ControllerEnv(), "KUBE_AWS_IAM_CLUSTER_NAME=test"),
	})
	require.NoError(w.t, err)
	w.t.Cleanup(c.Kill)
	require.NoError(w.t, c.WaitReady(w.t.Context(), within))
	_, err = w.aws.Role(kit.AccountID, "", "app", metav1.NamespaceDefault+"/test")
	require.NoError(w.t, err)
	served := kit.In(w.Access, metav1.NamespaceDefault)
	_, err = served.Account(w.t.Context(), "app", map[string]string{"role": "app"})
	require.NoError(w.t, err)
	_, err = served.Secret(w.t.Context(), "app.aws-iam", nil)
	require.NoError(w.t, err)
	return c
}

// awaitFinding waits until a check has a state and says something, since the API server sees changed rights and policies
// after a moment.
func (w *checkWorld) awaitFinding(kubeconfig, check, state, says string) {
	w.t.Helper()
	require.NoError(w.t, kit.Eventually(w.t.Context(), within, func(context.Context) error {
		all, _ := w.check(kubeconfig)
		for _, f := range all {
			if f.Check == check && f.State == state && strings.Contains(f.Message, says) {
				return nil
			}
		}
		return fmt.Errorf("no finding %s %s %q in %+v", check, state, says, all)
	}))
}

// states are the worst state of each check.
func states(all []finding) map[string]string {
	worst := map[string]string{}
	for _, f := range all {
		if worst[f.Check] == "" || f.State != "ok" {
			worst[f.Check] = f.State
		}
	}
	return worst
}

const (
	ok, warns, broken, unknown = "ok", "warning", "broken", "unknown"

	daemonSet = `
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: node-iam, namespace: kube-system}
spec:
  selector: {matchLabels: {app: node-iam}}
  template:
    metadata: {labels: {app: node-iam}}
    spec: {containers: [{name: c, image: "registry.example/%s:1"}]}
`
	webhook = `
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {name: kube-aws-iam-controller-webhook}
webhooks:
- name: pods.iam.amazonaws.com
  admissionReviewVersions: [v1]
  sideEffects: None
  clientConfig: {service: {name: kube-aws-iam-controller-webhook, namespace: kube-system, path: /mutate-pods}%s}
`
	// irsa is that of EKS, by its name.
	irsa = `
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {name: pod-identity-webhook}
webhooks: []
`
	endpoints = `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: webhook, namespace: kube-system, labels: {kubernetes.io/service-name: kube-aws-iam-controller-webhook}}
addressType: IPv4
endpoints: [{addresses: [10.0.0.9], conditions: {ready: %t}}]
`
)

// A breakage is something wrong with an installation, and what has to be said of it.
type breakage struct {
	name             string
	do               func(w *checkWorld)
	check, state, is string
	undo             func(w *checkWorld)
}

// deletes deletes an object and applies the installation again.
func deletes(object ...string) func(*checkWorld) {
	return func(w *checkWorld) { w.kubectl(append([]string{"delete"}, object...)...) }
}

func patches(object, patch string) func(*checkWorld) {
	return func(w *checkWorld) {
		w.kubectl("patch", object, "--namespace=kube-system", "--type=merge", "--patch="+patch)
	}
}

func applies(manifest string) func(*checkWorld) { return func(w *checkWorld) { w.apply(manifest) } }

func reinstalls(w *checkWorld) { w.install("admission-policy", "admission-settings", "guard") }

const (
	guardPods = "kube-aws-iam-controller-guard-pods"
	noPolicy  = "mutatingadmissionpolicy/kube-aws-iam-controller,mutatingadmissionpolicy/kube-aws-iam-controller-accounts"
)

var breakages = []breakage{
	{"a mutating binding is deleted", deletes("mutatingadmissionpolicybinding", kit.Account), "admission", broken, "there is no MutatingAdmissionPolicyBinding kube-aws-iam-controller", reinstalls},
	{"a binding selects nobody", patches("mutatingadmissionpolicybinding/"+kit.Account, `{"spec":{"paramRef":{"selector":{"matchLabels":{"no":"body"}}}}}`), "injection", broken,
		"a pod of the ServiceAccount default/app is given no credentials", func(w *checkWorld) {
			w.kubectl("delete", "mutatingadmissionpolicybinding", kit.Account)
			reinstalls(w)
		}},
	{"a guard's policy is deleted", deletes("validatingadmissionpolicy", guardPods), "guard", broken, "there is no ValidatingAdmissionPolicy " + guardPods, reinstalls},
	{"a guard's binding only audits", patches("validatingadmissionpolicybinding/"+guardPods, `{"spec":{"validationActions":["Audit"]}}`), "guard", broken, "does not deny", reinstalls},
	{"the guard is missing", deletes("validatingadmissionpolicy,validatingadmissionpolicybinding",
		guardPods, "kube-aws-iam-controller-guard-writes", "kube-aws-iam-controller-guard-controller"), "guard", warns, "the guard is not installed", reinstalls},
	{"the RBAC is missing", deletes("clusterrolebinding", kit.Account), "rights", broken, "may not get awsiamroles.zalando.org", reinstalls},
	{"one verb is missing", func(w *checkWorld) {
		w.kubectl("patch", "role/"+kit.Account, "--namespace=kube-system", "--type=json", `--patch=[{"op":"replace","path":"/rules/1/verbs","value":["get"]}]`)
	}, "rights", broken, "may not update leases.coordination.k8s.io/kube-aws-iam-controller --namespace=kube-system", reinstalls},
	{"kube2iam is there", applies(fmt.Sprintf(daemonSet, "kube2iam")), "others", warns, "kube2iam is installed (DaemonSet kube-system/node-iam)", deletes("daemonset/node-iam", "--namespace=kube-system")},
	{"kiam is there", applies(fmt.Sprintf(daemonSet, "kiam")), "others", warns, "kiam is installed", deletes("daemonset/node-iam", "--namespace=kube-system")},
	{"IRSA's webhook is there", applies(irsa), "others", warns, "the webhook of EKS for IRSA is installed", deletes("mutatingwebhookconfiguration/pod-identity-webhook")},
	{"both ways of admission", applies(fmt.Sprintf(webhook, "")), "admission", warns, "by the admission policy and by the webhook", deletes("mutatingwebhookconfiguration/kube-aws-iam-controller-webhook")},
	{"it is scaled to zero", func(w *checkWorld) {
		w.kubectl("scale", "deployment/"+kit.Account, "--namespace=kube-system", "--replicas=0")
	}, "controller", broken, "scaled to zero", reinstalls},
	{"no replica is ready", func(w *checkWorld) { w.ready(0) }, "controller", broken, "no replica of kube-system/kube-aws-iam-controller is ready", func(w *checkWorld) { w.ready(2) }},
	{"a replica is not ready", func(w *checkWorld) { w.ready(1) }, "controller", warns, "1 of 2 replicas", func(w *checkWorld) { w.ready(2) }},
	{"its settings are gone", func(w *checkWorld) {
		w.kubectl("delete", "configmap", "--namespace=kube-system", "--selector=app.kubernetes.io/name="+kit.Account)
	}, "controller", unknown, "read its settings: configmaps", reinstalls},
	{"the webhook has no caBundle", func(w *checkWorld) {
		deletes(strings.Split(noPolicy, ",")...)(w)
		deletes("mutatingadmissionpolicybinding", kit.Account, "kube-aws-iam-controller-accounts")(w)
		deletes("validatingadmissionpolicy,validatingadmissionpolicybinding", "kube-aws-iam-controller-refused")(w)
		w.apply(fmt.Sprintf(webhook, ""))
		w.apply(fmt.Sprintf(endpoints, true))
	}, "admission", broken, "no caBundle", nil},
	{"the webhook has no endpoints", func(w *checkWorld) {
		w.apply(fmt.Sprintf(webhook, ", caBundle: eA=="))
		w.apply(fmt.Sprintf(endpoints, false))
	}, "admission", broken, "no ready endpoints", nil},
	{"the webhook is gone, too", deletes("mutatingwebhookconfiguration/kube-aws-iam-controller-webhook"), "admission", warns, "neither the admission policy nor the webhook is installed", reinstalls},
}

func TestCheckNamesWhatIsWrong(t *testing.T) {
	w := newCheckWorld(t)
	admin := w.AdminKubeconfig()

	before, code := w.check(admin, "--pre")
	assert.Zero(t, code, before)
	assert.Equal(t, map[string]string{"server": ok, "clock": ok, "installer": ok, "others": ok}, states(before))
	none, code := w.check(admin)
	assert.Equal(t, 1, code, none)
	assert.Equal(t, broken, states(none)["controller"])

	reinstalls(w)
	c := w.start()
	healthy := map[string]string{
		"server": ok, "clock": ok, "controller": ok, "version": ok, "crd": ok, "rights": ok, "admission": ok, "injection": ok, "guard": ok, "lease": ok, "aws": ok, "others": ok,
	}
	all, code := w.check(admin)
	assert.Zero(t, code, all)
	require.Equal(t, healthy, states(all), all)

	t.Run("as the controller itself", func(t *testing.T) { w.asTheController(t) })
	t.Run("with few rights", func(t *testing.T) { w.asNobody(t) })
	for _, b := range breakages {
		t.Run(b.name, func(t *testing.T) {
			in := w.in(t)
			b.do(in)
			in.awaitFinding(admin, b.check, b.state, b.is)
			if b.undo != nil {
				b.undo(in)
				in.awaitFinding(admin, b.check, ok, "")
			}
		})
	}

	t.Run("the Lease is stale", func(t *testing.T) {
		in := w.in(t)
		c.Kill()
		long := fmt.Sprintf(`{"spec":{"renewTime":%q}}`, time.Now().Add(-time.Hour).UTC().Format(metav1.RFC3339Micro))
		patches("lease/"+kit.Account, long)(in)
		in.awaitFinding(admin, "lease", broken, "holds the Lease and has not renewed it for 60m")
	})
	t.Run("the Lease is gone", func(t *testing.T) {
		in := w.in(t)
		deletes("lease", kit.Account, "--namespace=kube-system")(in)
		in.awaitFinding(admin, "lease", broken, "has no Lease")
	})
	t.Run("the controller has no AWS credentials", func(t *testing.T) {
		_, err := w.Client().CoreV1().Events("default").Create(t.Context(), &corev1.Event{
			ObjectMeta: metav1.ObjectMeta{Name: "e"}, Type: corev1.EventTypeWarning, Source: corev1.EventSource{Component: kit.Account},
			Message: "Failed: the controller itself has no AWS credentials: nowhere", LastTimestamp: metav1.Now(),
			InvolvedObject: corev1.ObjectReference{Kind: "ServiceAccount", Namespace: "default", Name: "app"},
		}, metav1.CreateOptions{})
		require.NoError(t, err)
		w.awaitFinding(admin, "aws", broken, "the controller itself has no AWS credentials")
	})
	t.Run("the CRD is gone", func(t *testing.T) {
		in := w.in(t)
		deletes("crd", "awsiamroles.zalando.org")(in)
		in.awaitFinding(admin, "crd", broken, "awsiamroles.zalando.org is not installed")
	})
}

// in returns the world for a test within a test.
func (w *checkWorld) in(t *testing.T) *checkWorld {
	t.Helper()
	within := *w
	within.t = t
	return &within
}

// asTheController is how helm test runs it: with rights that do not reach far, and in a namespace of its own.
func (w *checkWorld) asTheController(t *testing.T) {
	t.Helper()
	kubeconfig, err := w.ServiceAccountKubeconfig(t.Context(), kit.Namespace, kit.Account)
	require.NoError(t, err)
	_, err = w.Client().CoreV1().Pods(kit.Namespace).Create(t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "replica", Labels: map[string]string{"app.kubernetes.io/name": kit.Account}},
		Spec: corev1.PodSpec{
			ServiceAccountName: kit.Account, AutomountServiceAccountToken: new(false),
			Containers: []corev1.Container{{Name: "controller", Image: "registry.example/controller:v1.2.3"}},
		},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = w.Client().CoreV1().Pods(kit.Namespace).Patch(t.Context(), "replica", types.MergePatchType,
		[]byte(`{"status":{"conditions":[{"type":"Ready","status":"True"}]}}`), metav1.PatchOptions{}, "status")
	require.NoError(t, err)
	all, code := w.check(kubeconfig)
	assert.Zero(t, code, all)
	assert.Equal(t, map[string]string{
		"server": ok, "clock": ok, "controller": ok, "version": ok, "crd": ok, "rights": ok, "lease": ok, "aws": ok,
		"admission": unknown, "guard": unknown, "others": unknown,
	}, states(all), all)
}

func (w *checkWorld) asNobody(t *testing.T) {
	t.Helper()
	_, err := kit.In(w.Access, metav1.NamespaceDefault).Account(t.Context(), "nobody", nil)
	require.NoError(t, err)
	kubeconfig, err := w.ServiceAccountKubeconfig(t.Context(), metav1.NamespaceDefault, "nobody")
	require.NoError(t, err)
	all, code := w.check(kubeconfig)
	assert.Equal(t, 2, code, all)
	assert.Equal(t, unknown, states(all)["controller"])
	for _, f := range all {
		assert.NotEqual(t, broken, f.State, f)
	}
	before, code := w.check(kubeconfig, "--pre")
	assert.Equal(t, 1, code, before)
	assert.Equal(t, broken, states(before)["installer"])
}

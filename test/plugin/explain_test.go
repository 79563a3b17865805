package plugin

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/test/kit"
)

// TestExplainNamesTheFirstBrokenLink installs one thing after the other, and asks each time what is still missing. What
// the situations need of the cluster as a whole follows in turn, so they do not run side by side.
func TestExplainNamesTheFirstBrokenLink(t *testing.T) {
	w := newExplainWorld(t)
	w.control(t)
	w.team = w.NewNamespace(t)
	w.deliveries(t)

	t.Run("before anything is installed", func(t *testing.T) {
		w.broken(t, nil, w.team, "sa/process", verdict{"controller", "no Deployment of kube-aws-iam-controller", "install it"})
	})
	t.Run("the controller", w.testController)
	t.Run("admission", w.testAdmission)
	t.Run("accounts", w.testAccounts)
	t.Run("pods", w.testPods)
	t.Run("rules of the namespace", w.testRules)
	t.Run("sound", w.testSound)
	t.Run("with the rights of view", w.testView)
	t.Run("without the controller", w.testStopped)
}

// deliveries creates a ServiceAccount with a role for each delivery, named after it.
func (w *explainWorld) deliveries(t *testing.T) {
	t.Helper()
	_, err := w.aws.Role(kit.AccountID, "", "app", w.team+"/test")
	require.NoError(t, err)
	for _, delivery := range []string{"process", "file", "endpoint"} {
		_, err = kit.In(w.Access, w.team).Account(t.Context(), delivery, map[string]string{"role": "app", "delivery": delivery})
		require.NoError(t, err)
		w.secret(t, delivery)
	}
	for _, name := range []string{"a-secret-of-somebody-else", "unissued", "shadow"} { // before the guard reserves the names
		w.foreignSecret(t, name+".aws-iam")
	}
	w.foreignSecret(t, "keys")
}

func (w *explainWorld) testController(t *testing.T) {
	w.install(t, w.team)
	object := "sa/process"
	w.broken(t, nil, w.team, object, verdict{"controller", "no replica of the controller " + w.team + "/kube-aws-iam-controller is ready", "kubectl logs deployment/kube-aws-iam-controller"})
	w.ready(t, w.team)

	t.Run("serves another namespace", func(t *testing.T) {
		w.broken(t, nil, "default", "sa/default", verdict{"controller", "with --namespace=" + w.team, "without --namespace"})
	})
	t.Run("is scaled to zero", func(t *testing.T) {
		other := w.NewNamespace(t)
		w.install(t, other)
		_, err := w.Kubectl(t.Context(), "scale", "deployment/kube-aws-iam-controller", "--replicas=0", "--namespace="+other)
		require.NoError(t, err)
		w.broken(t, nil, other, "sa/default", verdict{"controller", "is scaled to zero", "kubectl scale deployment/kube-aws-iam-controller --replicas=2 --namespace " + other})
	})
	t.Run("leads no longer", func(t *testing.T) {
		w.hold(t, w.team, "replica-1", time.Now().Add(-time.Hour))
		w.broken(t, nil, w.team, object, verdict{"lease", "is held by replica-1, which has not renewed it", "kubectl logs"})
	})
	t.Run("has no leader", func(t *testing.T) {
		w.hold(t, w.team, "", time.Now())
		w.broken(t, nil, w.team, object, verdict{"lease", "no replica of the controller", "kubectl logs"})
	})
	w.hold(t, w.team, "replica-1", time.Now().Add(time.Hour))
}

func (w *explainWorld) testAdmission(t *testing.T) {
	object := "sa/process"
	w.broken(t, nil, w.team, object, verdict{"admission", "neither the MutatingAdmissionPolicy nor the webhook is installed", "docs/admission.md"})
	t.Run("webhook", w.testWebhook)

	policy := kit.PolicyComponent(sidecarImage, nil)
	require.NoError(t, policy.Apply(t.Context(), w.Access))
	_, err := w.Kubectl(t.Context(), "delete", "mutatingadmissionpolicybinding", "kube-aws-iam-controller")
	require.NoError(t, err)
	w.broken(t, nil, w.team, object, verdict{"admission", "has no binding", "docs/admission.md"})

	require.NoError(t, policy.Apply(t.Context(), w.Access))
	require.NoError(t, kit.GuardComponent().Apply(t.Context(), w.Access))
	w.await(t)
}

// await returns once pods are given credentials and the guard is in force.
func (w *explainWorld) await(t *testing.T) {
	t.Helper()
	pods := w.Client().CoreV1().Pods(w.team)
	dry := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}
	require.NoError(t, kit.Eventually(t.Context(), within, func(ctx context.Context) error {
		probe := podOf("process")
		probe.Name = "probe"
		made, err := pods.Create(ctx, probe, dry)
		if err == nil && len(made.Spec.Containers[0].Env) == 0 {
			err = errors.New("the policy is not in force")
		}
		if err != nil {
			return err
		}
		probe = podOf("default")
		probe.Name = "thief"
		probe.Spec.Volumes = []corev1.Volume{{Name: "stolen", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "process.aws-iam"}}}}
		if _, err = pods.Create(ctx, probe, dry); err == nil {
			return errors.New("the guard is not in force")
		}
		return nil
	}))
}

// testWebhook has the webhook in place of the policy, at a Service without a controller behind it.
func (w *explainWorld) testWebhook(t *testing.T) {
	served := w.NewNamespace(t)
	w.install(t, served, "--webhook-listen-address=:8443")
	w.ready(t, served)
	webhook := kit.Component{Name: "webhook"}
	require.NoError(t, webhook.Apply(t.Context(), w.Access))
	defer func() { assert.NoError(t, webhook.Delete(context.Background(), w.Access)) }()

	w.broken(t, nil, w.team, "sa/process", verdict{"admission", "does not serve it", "--webhook-listen-address=:8443"})
	w.broken(t, nil, served, "sa/default", verdict{"admission", "has no caBundle", "leave the field alone"})

	w.changeWebhook(t, func(h *admissionv1.MutatingWebhook) { h.ClientConfig.CABundle = w.AdminConfig().CAData })
	w.broken(t, nil, served, "sa/default", verdict{"admission", "kube-system/kube-aws-iam-controller-webhook of the webhook has no ready endpoints", "kubectl get endpointslices"})

	t.Run("cannot be called", func(t *testing.T) {
		team := w.team
		defer func() { w.team = team }()
		w.team = served
		w.slice(t)
		w.replicas(t, "unreached", podOf("default"))
		w.broken(t, nil, served, "pod/unreached", verdict{"pod creation", "failed calling webhook", "of the controller"})
	})
	t.Run("leaves the namespace out", func(t *testing.T) {
		w.changeWebhook(t, func(h *admissionv1.MutatingWebhook) {
			h.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"credentials": "wanted"}}
		})
		w.broken(t, nil, served, "sa/default", verdict{"admission", "the namespaceSelector of the webhook leaves out the namespace", "credentials=wanted"})
	})
}

// slice has the Service of the webhook have an address, at which nobody answers: 192.0.2.0/24 is for documentation.
func (w *explainWorld) slice(t *testing.T) {
	t.Helper()
	_, err := w.Client().DiscoveryV1().EndpointSlices("kube-system").Create(t.Context(), &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Name: "webhook-by-hand", Labels: map[string]string{discoveryv1.LabelServiceName: "kube-aws-iam-controller-webhook"}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports:       []discoveryv1.EndpointPort{{Name: new("https"), Port: new(int32(8443))}},
		Endpoints:   []discoveryv1.Endpoint{{Addresses: []string{"192.0.2.1"}, Conditions: discoveryv1.EndpointConditions{Ready: new(true)}}},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	t.Cleanup(func() {
		assert.NoError(t, w.Client().DiscoveryV1().EndpointSlices("kube-system").Delete(context.Background(), "webhook-by-hand", metav1.DeleteOptions{}))
	})
}

func (w *explainWorld) changeWebhook(t *testing.T, change func(*admissionv1.MutatingWebhook)) {
	t.Helper()
	client := w.Client().AdmissionregistrationV1().MutatingWebhookConfigurations()
	require.NoError(t, kit.Eventually(t.Context(), within, func(ctx context.Context) error {
		found, err := client.Get(ctx, "kube-aws-iam-controller-webhook", metav1.GetOptions{})
		if err != nil {
			return err
		}
		change(&found.Webhooks[0])
		_, err = client.Update(ctx, found, metav1.UpdateOptions{})
		return err
	}))
}

func (w *explainWorld) testRules(t *testing.T) {
	restricted := w.NewNamespace(t)
	w.install(t, restricted, "--namespace-restrictions")
	w.ready(t, restricted)
	_, err := kit.In(w.Access, restricted).Account(t.Context(), "app", map[string]string{"role": "app"})
	require.NoError(t, err)
	w.broken(t, nil, restricted, "sa/app", verdict{"namespace rules", "runs with --namespace-restrictions", "kubectl get namespace " + restricted})
	_, err = w.Kubectl(t.Context(), "annotate", "namespace", restricted, `iam.amazonaws.com/allowed-roles=["other"]`)
	require.NoError(t, err)
	w.broken(t, nil, restricted, "sa/app", verdict{"namespace rules", "does not include it", "docs/concepts.md"})
}

func (w *explainWorld) testSound(t *testing.T) {
	for _, delivery := range []string{"process", "file", "endpoint"} {
		t.Run(delivery, func(t *testing.T) {
			w.secret(t, delivery)
			w.create(t, "sound-"+delivery, podOf(delivery), func(p *corev1.Pod) {
				p.Status.InitContainerStatuses = []corev1.ContainerStatus{{Name: "aws-iam-credentials", Started: new(true), Ready: true}}
			})
			a, code := w.explain(t, nil, w.team, "pod/sound-"+delivery)
			assert.Equal(t, 0, code)
			assert.Equal(t, "ok", a.State)
			assert.Nil(t, a.FirstBroken)
			for _, check := range []string{"controller", "lease", "admission", "guard", "serviceaccount", "annotations", "namespace rules", "trust policy", "secret", "injection", "container app", "kubelet"} {
				assert.Equal(t, "ok", a.find(check).State, "%s: %+v", check, a.find(check))
			}
		})
	}
	t.Run("a role whose trust policy is read", func(t *testing.T) {
		_, err := w.aws.Role(kit.AccountID, "", "unissued", w.team+"/test")
		require.NoError(t, err)
		_, err = kit.In(w.Access, w.team).Account(t.Context(), "unissued", map[string]string{"role": "unissued"})
		require.NoError(t, err) // its Secret is somebody else's, so that STS issues nothing
		a, _ := w.explain(t, w.userEnv(t), w.team, "sa/unissued")
		assert.Equal(t, explainedLink{Check: "trust policy", State: "ok", Message: "allows the external ID " + w.team + "/test"}, a.find("trust policy"))
		a, _ = w.explain(t, nil, w.team, "sa/unissued")
		assert.Equal(t, "unknown", a.find("trust policy").State)
		assert.Contains(t, a.find("trust policy").Remedy, "aws iam get-role --role-name unissued")
	})
	t.Run("in text", func(t *testing.T) {
		out, code := w.run(t, nil, "explain", "pod", "sound-process", "--namespace="+w.team)
		assert.Equal(t, 0, code)
		assert.Contains(t, out, "pod/sound-process in "+w.team+": no problem found\n")
		out, code = w.run(t, nil, "explain", "po/opted-out", "--namespace="+w.team)
		assert.Equal(t, 1, code)
		assert.Contains(t, out, "To fix it: remove the label from the pod's template\n")
	})
}

// testView is about whoever may see the namespace, and neither Secrets nor what concerns the whole cluster.
func (w *explainWorld) testView(t *testing.T) {
	_, err := w.Kubectl(t.Context(), "create", "rolebinding", "viewer", "--clusterrole=view", "--user=viewer", "--namespace="+w.team)
	require.NoError(t, err)
	require.NoError(t, kit.Eventually(t.Context(), within, func(ctx context.Context) error {
		_, failed := w.Kubectl(ctx, "get", "pods", "--as=viewer", "--namespace="+w.team)
		return failed
	}))
	a, code := w.explain(t, nil, w.team, "pod/sound-process", "--as=viewer")
	assert.Equal(t, 2, code)
	assert.Equal(t, "unknown", a.State)
	assert.Equal(t, "you may not get secrets in "+w.team, a.find("secret").Message)
	assert.Equal(t, "you may not get leases in "+w.team, a.find("lease").Message)
	assert.Equal(t, "you may not get validatingadmissionpolicies", a.find("guard").Message)
	assert.Equal(t, "ok", a.find("admission").State, "the pod shows it: %+v", a.find("admission"))
	assert.Equal(t, "ok", a.find("injection").State)

	a, code = w.explain(t, nil, w.team, "pod/opted-out", "--as=viewer")
	assert.Equal(t, 1, code, "what it may see is enough")
	assert.Equal(t, "injection", a.FirstBroken.Check)

	a, code = w.explain(t, nil, w.team, "pod/sound-process", "--as=nobody")
	assert.Equal(t, 2, code)
	assert.Equal(t, "you may not get pods in "+w.team, a.find("serviceaccount").Message)
}

// testStopped kills the controller: what it leaves behind is what it does not correct.
func (w *explainWorld) testStopped(t *testing.T) {
	w.stop()
	require.NoError(t, kit.GuardComponent().Delete(t.Context(), w.Access))
	t.Run("no Secret", func(t *testing.T) {
		_, err := kit.In(w.Access, w.team).Account(t.Context(), "late", map[string]string{"role": "app"})
		require.NoError(t, err)
		w.broken(t, nil, w.team, "sa/late", verdict{"secret", "the Secret late.aws-iam does not exist", "kubectl logs"})
		pod := w.create(t, "waiting", podOf("late"), func(p *corev1.Pod) { p.Status.Phase = corev1.PodPending })
		w.event(t, pod, "FailedMount", `MountVolume.SetUp failed for volume "aws-iam-credentials" : secret "late.aws-iam" not found`)
		w.broken(t, nil, w.team, "pod/waiting", verdict{"secret", "so that pods wait for it", "kubectl logs"})
	})
	t.Run("another role than asked for", func(t *testing.T) {
		_, err := w.Kubectl(t.Context(), "annotate", "serviceaccount", "file", "--namespace="+w.team, "--overwrite", "iam.amazonaws.com/role=new")
		require.NoError(t, err)
		w.broken(t, nil, w.team, "sa/file", verdict{"secret", "are those of arn:aws:iam::123456789012:role/app, and were issued for an earlier request", "kubectl get events"})
	})
	t.Run("expired credentials", func(t *testing.T) {
		require.NoError(t, kit.Eventually(t.Context(), within, func(ctx context.Context) error { // the guard takes a moment to go
			_, err := w.Kubectl(ctx, "annotate", "secret", "process.aws-iam", "--namespace="+w.team, "--overwrite", "iam.amazonaws.com/expiration=2026-01-02T03:04:05Z")
			return err
		}))
		w.broken(t, nil, w.team, "sa/process", verdict{"secret", "expired at 2026-01-02T03:04:05Z", "kubectl logs"})
	})
	t.Run("a Secret that is not the controller's", func(t *testing.T) {
		_, err := kit.In(w.Access, w.team).Account(t.Context(), "shadow", map[string]string{"role": "app"})
		require.NoError(t, err)
		w.broken(t, nil, w.team, "sa/shadow", verdict{"secret", "is not the controller's", "kubectl delete secret shadow.aws-iam"})
	})
}

// event records what the kubelet would.
func (w *explainWorld) event(t *testing.T, pod *corev1.Pod, reason, message string) {
	t.Helper()
	now := metav1.Now()
	_, err := w.Client().CoreV1().Events(pod.Namespace).Create(t.Context(), &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{GenerateName: pod.Name + "-"},
		InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID},
		Reason:         reason, Message: message, Type: corev1.EventTypeWarning, FirstTimestamp: now, LastTimestamp: now,
	}, metav1.CreateOptions{})
	require.NoError(t, err)
}

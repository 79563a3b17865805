package e2e

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"kube-aws-iam-controller/test/system"
)

// imageSetting is how an installer names the sidecar's image to the policy.
const imageSetting = `  - target: {kind: MutatingAdmissionPolicy}
    patch: |
      - {op: replace, path: /spec/variables/0/expression, value: "'` + controllerImage + `'"}
`

func TestPodsOnlySetTheirServiceAccount(t *testing.T) {
	for component, patches := range map[string]string{"admission-policy": imageSetting, "webhook": ""} {
		t.Run(component, func(t *testing.T) {
			w := install(t, component, patches)
			restrict(t, w.Client(), w.namespace)
			w.awaitAdmission()

			// A pod that comes before its Secret waits for it.
			w.account("early")
			require.NoError(t, w.pod("early", "early", shellImage))

			for _, delivery := range []string{"process", "endpoint"} {
				w.account(delivery, "delivery", delivery)
				w.role(delivery)
			}
			require.NoError(t, w.pod("process", "process", shellImage))
			require.NoError(t, w.pod("endpoint", "endpoint", scratchImage)) // no shell, no cat
			w.sessions("process", 1)
			w.sessions("endpoint", 1)

			pod, err := w.Client().CoreV1().Pods(w.namespace).Get(t.Context(), "early", metav1.GetOptions{})
			require.NoError(t, err)
			require.Equal(t, corev1.PodPending, pod.Status.Phase)
			w.role("early")
			w.sessions("early", 1)

			w.assertRefusals()
		})
	}
}

func TestReplicasComeAndGoAndNoPodNotices(t *testing.T) {
	w := install(t, "admission-policy", imageSetting)
	w.awaitAdmission()
	for delivery, from := range map[string]string{"process": shellImage, "endpoint": scratchImage} {
		w.account(delivery, "delivery", delivery)
		w.role(delivery)
		require.NoError(t, w.pod(delivery, delivery, from))
	}
	// Each is renewed by the replica that has taken over.
	for before, how := range []metav1.DeleteOptions{{}, {GracePeriodSeconds: new(int64(0))}} {
		w.sessions("process", before+1)
		w.sessions("endpoint", before+1)
		w.leave(how)
	}
	w.sessions("process", 3)
	w.sessions("endpoint", 3)
}

// restrict puts a namespace under the restricted Pod Security Standard.
func restrict(t *testing.T, client kubernetes.Interface, namespace string) {
	t.Helper()
	patch := []byte(`{"metadata":{"labels":{"pod-security.kubernetes.io/enforce":"restricted"}}}`)
	_, err := client.CoreV1().Namespaces().Patch(t.Context(), namespace, types.MergePatchType, patch, metav1.PatchOptions{})
	require.NoError(t, err)
}

// awaitAdmission returns once pods are mutated.
func (w *world) awaitAdmission() {
	w.t.Helper()
	w.account("probe")
	w.eventually(func(ctx context.Context) error {
		made, err := w.Client().CoreV1().Pods(w.namespace).Create(ctx, probe(), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if err == nil && len(made.Spec.Containers[0].Env) == 0 {
			err = errors.New("pods are not mutated yet")
		}
		return err
	})
}

func probe(changes ...func(*corev1.Pod)) *corev1.Pod {
	yes, no := true, false
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "probe"},
		Spec: corev1.PodSpec{ServiceAccountName: "probe", Containers: []corev1.Container{{
			Name: "app", Image: scratchImage, SecurityContext: &corev1.SecurityContext{
				AllowPrivilegeEscalation: &no, RunAsNonRoot: &yes,
				Capabilities:   &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
				SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			},
		}}},
	}
	for _, change := range changes {
		change(pod)
	}
	return pod
}

// leave takes the leader away, and waits until there are two controllers again.
func (w *world) leave(how metav1.DeleteOptions) {
	w.t.Helper()
	var leader string
	w.eventually(func(ctx context.Context) error {
		lease, err := w.Client().CoordinationV1().Leases(system.Namespace).Get(ctx, system.Account, metav1.GetOptions{})
		if err != nil {
			return err
		}
		pods, err := w.controllers(ctx)
		if err != nil {
			return err
		}
		for i := range pods {
			if lease.Spec.HolderIdentity != nil && hasPrefix(*lease.Spec.HolderIdentity, pods[i].Name) {
				leader = pods[i].Name
				return nil
			}
		}
		return fmt.Errorf("no controller of %d leads", len(pods))
	})
	require.NoError(w.t, w.Client().CoreV1().Pods(system.Namespace).Delete(w.t.Context(), leader, how))
	w.awaitControllers()
}

func hasPrefix(s, prefix string) bool { return len(s) >= len(prefix) && s[:len(prefix)] == prefix }

// assertRefusals shows what the API server does not admit, and why.
func (w *world) assertRefusals() {
	w.t.Helper()
	pods := w.Client().CoreV1().Pods(metav1.NamespaceDefault) // which is not restricted
	accounts := w.Client().CoreV1().ServiceAccounts(metav1.NamespaceDefault)
	for name, c := range map[string]struct {
		delivery string
		change   func(*corev1.Pod)
		says     string
	}{
		"host-network": {"endpoint", func(p *corev1.Pod) { p.Spec.HostNetwork = true }, "every process of the node could reach the endpoint"},
		"malformed":    {"files", func(*corev1.Pod) {}, `"files" is not understood: give one of process, endpoint, file, none`},
	} {
		account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{
			Name: name, Annotations: map[string]string{"iam.amazonaws.com/role": "app", "iam.amazonaws.com/delivery": c.delivery},
		}}
		_, err := accounts.Create(w.t.Context(), account, metav1.CreateOptions{})
		require.NoError(w.t, err)
		w.t.Cleanup(func() { _ = accounts.Delete(context.Background(), name, metav1.DeleteOptions{}) })
		_, err = pods.Create(w.t.Context(), probe(c.change, func(p *corev1.Pod) { p.Spec.ServiceAccountName = name }), metav1.CreateOptions{})
		assert.True(w.t, apierrors.IsForbidden(err), "%v", err)
		assert.ErrorContains(w.t, err, c.says)
	}
}

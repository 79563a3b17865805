package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"kube-aws-iam-controller/test/kit"
)

func TestPodsOnlySetTheirServiceAccount(t *testing.T) {
	for title, installed := range map[string]func(*testing.T) *world{
		"admission-policy, by kustomize": func(t *testing.T) *world { t.Helper(); return install(t, "admission-policy", "admission-settings") },
		"webhook, by Helm":               release,
	} {
		t.Run(title, func(t *testing.T) {
			w := installed(t)
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
			if w.dir == "" {
				w.upgrade("process", "endpoint")
				w.leavesNothing()
			}
		})
	}
}

func TestReplicasComeAndGoAndNoPodNotices(t *testing.T) {
	w := install(t, "admission-policy", "admission-settings")
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
	w.keepsItsEndpoint("endpoint")
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
		lease, err := w.Client().CoordinationV1().Leases(kit.Namespace).Get(ctx, kit.Account, metav1.GetOptions{})
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
	require.NoError(w.t, w.Client().CoreV1().Pods(kit.Namespace).Delete(w.t.Context(), leader, how))
	w.awaitControllers()
}

func hasPrefix(s, prefix string) bool { return len(s) >= len(prefix) && s[:len(prefix)] == prefix }

// keepsItsEndpoint shows that a running pod of a ServiceAccount of its name goes on getting credentials when its Secret is
// replaced, and when its sidecar has to begin again. It waits for what comes, whenever that is.
func (w *world) keepsItsEndpoint(name string) {
	w.t.Helper()
	w.replaceSecret(name + ".aws-iam")
	w.sessions(name, w.seen(name)+1)

	w.killSidecar(name)
	w.replaceSecret(name + ".aws-iam")
	// Calls fail while the sidecar is not there; in the end they do not.
	want := fmt.Sprintf("%s%d is", sessionLine, w.seen(name)+1)
	w.eventually(func(ctx context.Context) error {
		log, err := w.log(ctx, name)
		if _, after, has := strings.Cut(log, want); err == nil && (!has || strings.Contains(after, "FAILED")) {
			err = fmt.Errorf("pod %s does not say %q, or calls fail after that: %s", name, want, log)
		}
		return err
	})
}

// replaceSecret deletes a Secret and waits for the next one.
func (w *world) replaceSecret(name string) {
	w.t.Helper()
	secrets := w.Client().CoreV1().Secrets(w.namespace)
	before, err := secrets.Get(w.t.Context(), name, metav1.GetOptions{})
	require.NoError(w.t, err)
	require.NoError(w.t, secrets.Delete(w.t.Context(), name, metav1.DeleteOptions{}))
	w.eventually(func(ctx context.Context) error {
		next, err := secrets.Get(ctx, name, metav1.GetOptions{})
		if err == nil && next.UID == before.UID {
			err = errors.New("the Secret is still there")
		}
		return err
	})
}

// killSidecar ends the sidecar's process, which is known by the pod's UID in its environment, and waits until another one
// serves.
func (w *world) killSidecar(pod string) {
	w.t.Helper()
	status := func(ctx context.Context) (*corev1.Pod, *corev1.ContainerStatus, error) {
		found, err := w.Client().CoreV1().Pods(w.namespace).Get(ctx, pod, metav1.GetOptions{})
		if err == nil && len(found.Status.InitContainerStatuses) != 1 {
			err = errors.New("the sidecar has no status")
		}
		if err != nil {
			return nil, nil, err
		}
		return found, &found.Status.InitContainerStatuses[0], nil
	}
	found, before, err := status(w.t.Context())
	require.NoError(w.t, err)
	require.NoError(w.t, kill("/credentials-server\x00", "POD_UID="+string(found.UID)))
	w.eventually(func(ctx context.Context) error {
		_, now, err := status(ctx)
		if err == nil && (now.RestartCount == before.RestartCount || now.Started == nil || !*now.Started) {
			err = errors.New("the sidecar has not begun again")
		}
		return err
	})
}

// kill ends the process with a command line and a variable. Pods on this node are processes of this machine.
func kill(commandLine, variable string) error {
	paths, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return err
	}
	for _, path := range paths {
		environment, err := os.ReadFile(filepath.Join(filepath.Dir(path), "environ"))
		if err != nil || !slices.Contains(strings.Split(string(environment), "\x00"), variable) {
			continue // it has ended, or is another one
		}
		if line, err := os.ReadFile(path); err == nil && string(line) == commandLine {
			id, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			if err != nil {
				return err
			}
			return syscall.Kill(id, syscall.SIGKILL)
		}
	}
	return fmt.Errorf("no process %q has %s", commandLine, variable)
}

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
		"windows":      {"process", func(p *corev1.Pod) { p.Spec.NodeSelector = map[string]string{corev1.LabelOSStable: "windows"} }, "the pod is for Windows nodes"},
		"malformed":    {"files", func(*corev1.Pod) {}, `"files" is invalid: expected one of process, endpoint, file, none`},
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

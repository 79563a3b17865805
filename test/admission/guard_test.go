package admission

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"kube-aws-iam-controller/test/cluster"
	"kube-aws-iam-controller/test/kit"
)

// guarded is a namespace under the guard, and the tenant who may edit it.
type guarded struct {
	*cluster.Cluster

	t         *testing.T
	tenant    kubernetes.Interface
	namespace string
}

func newGuarded(t *testing.T) *guarded {
	t.Helper()
	g := &guarded{Cluster: shared.Get(t), t: t}
	g.namespace = g.NewNamespace(t)
	var err error
	g.tenant, err = kubernetes.NewForConfig(g.TenantConfig(t, g.namespace))
	require.NoError(t, err)
	require.NoError(t, kit.LetDebug(t.Context(), g.Access, g.namespace))
	for _, name := range []string{"app", "other"} {
		_, err = g.tenant.CoreV1().ServiceAccounts(g.namespace).Create(t.Context(), account(name), metav1.CreateOptions{})
		require.NoError(t, err)
	}
	guard := kit.GuardComponent()
	require.NoError(t, guard.Apply(t.Context(), g.Access))
	t.Cleanup(func() {
		require.NoError(t, guard.Delete(context.Background(), g.Access))
		g.awaitGone()
	})
	g.await()
	return g
}

// awaitGone returns once nothing is refused any more: other tests make what is.
func (g *guarded) awaitGone() {
	g.t.Helper()
	require.NoError(g.t, kit.Eventually(context.Background(), within, func(ctx context.Context) error {
		pod := probe.Given.DeepCopy()
		pod.Spec.ServiceAccountName = "default"
		ways["volumes.secret.secretName"](&pod.Spec, "app.aws-iam")
		_, podErr := g.Client().CoreV1().Pods(metav1.NamespaceDefault).Create(ctx, pod, dry)
		marked := account("marked")
		marked.Annotations = map[string]string{roleARN: "x"}
		_, markErr := g.Client().CoreV1().ServiceAccounts(metav1.NamespaceDefault).Create(ctx, marked, dry)
		return errors.Join(podErr, markErr)
	}))
}

// await returns once the guard is in force.
func (g *guarded) await() {
	g.t.Helper()
	require.NoError(g.t, kit.Eventually(g.t.Context(), within, func(ctx context.Context) error {
		podErr := g.pod(ctx, "other", ways["volumes.secret.secretName"], "app.aws-iam")
		_, secretErr := g.tenant.CoreV1().Secrets(g.namespace).Create(ctx, secret("app.aws-iam"), dry)
		if !apierrors.IsForbidden(podErr) || !apierrors.IsForbidden(secretErr) {
			return fmt.Errorf("not yet: %w, %w", podErr, secretErr)
		}
		return nil
	}))
}

var dry = metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}

func account(name string) *corev1.ServiceAccount {
	return &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

func secret(name string) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name}, StringData: map[string]string{"k": "v"}}
}

// pod has the tenant create a pod that refers to a Secret, without storing it, or attach a debugger that does.
func (g *guarded) pod(ctx context.Context, account string, way func(*corev1.PodSpec, string), secret string) error {
	return kit.Refer(ctx, g.tenant.CoreV1().Pods(g.namespace), account, func(s *corev1.PodSpec) { way(s, secret) })
}

func TestTheGuardLetsOnlyPodsOfAServiceAccountUseItsSecret(t *testing.T) {
	g := newGuarded(t)
	all := maps.Clone(ways)
	all["volumes.csi.volumeAttributes"] = attributes
	for way, refer := range all {
		t.Run(way, func(t *testing.T) {
			err := g.pod(t.Context(), "other", refer, "app.aws-iam")
			require.True(t, apierrors.IsForbidden(err), "%v", err)
			require.ErrorContains(t, err, "this pod runs as ServiceAccount other, and ")
			require.ErrorContains(t, err, "copy its Deployment instead, or remove them")
			err = g.pod(t.Context(), "app", refer, "app.aws-iam")
			require.NoError(t, err, "its own")
			err = g.pod(t.Context(), "other", refer, "db")
			require.NoError(t, err, "an AWSIAMRole's")
		})
	}
	t.Run("without a name it is the default's", func(t *testing.T) {
		err := g.pod(t.Context(), "", ways["volumes.secret.secretName"], "app.aws-iam")
		require.ErrorContains(t, err, "runs as ServiceAccount default, and the volume v names the Secret of another")
	})
	t.Run("a volume that projects nothing", func(t *testing.T) {
		require.NoError(t, g.pod(t.Context(), "other", volume(func(v *corev1.VolumeSource, _ string) { v.Projected = &corev1.ProjectedVolumeSource{} }), ""))
	})
	t.Run("attributes that have names in them", g.embedded)
	t.Run("a debugger of a pod from before", g.debug)
	t.Run("kubectl debug", g.kubectlDebug)
	t.Run("a huge pod", g.huge)
}

// embedded has the names of Secrets stand in lists and documents that drivers read.
func (g *guarded) embedded(t *testing.T) {
	kinds := map[string]func(map[string]string) corev1.VolumeSource{
		"csi": func(m map[string]string) corev1.VolumeSource {
			return corev1.VolumeSource{CSI: &corev1.CSIVolumeSource{Driver: "csi.example.com", VolumeAttributes: m}}
		},
		"flexVolume": func(m map[string]string) corev1.VolumeSource {
			return corev1.VolumeSource{FlexVolume: &corev1.FlexVolumeSource{Driver: "example.com/flex", Options: m}}
		},
	}
	for kind, source := range kinds {
		ask := func(m map[string]string) error {
			return g.pod(t.Context(), "other", volume(func(v *corev1.VolumeSource, _ string) { *v = source(m) }), "")
		}
		for _, text := range []string{
			"app.aws-iam", "- objectName: app.aws-iam\n  key: credentials\n", `{"secretName": "app.aws-iam"}`, "other.aws-iam,app.aws-iam", "app.aws-iam/credentials",
			"ns/app.aws-iam", "app.aws-iam other.aws-iam", "x=app.aws-iam", "app.aws-iam:0444", "another.aws-iam", "x.other.aws-iam", "-other.aws-iam", "APP.aws-iam",
		} {
			require.ErrorContains(t, ask(map[string]string{"objects": text}), "the volume v names the Secret of another one", "%s: %q", kind, text)
			require.ErrorContains(t, ask(map[string]string{text: "x"}), "the volume v names the Secret of another one", "%s: the key %q", kind, text)
		}
		for _, text := range []string{
			"", "other.aws-iam", "- objectName: other.aws-iam\n", `{"a":"other.aws-iam","b":"other.aws-iam"}`, "db", "my.aws-iam-thing", "https://app.aws-iam.example.com",
			strings.Repeat("x", 500_000),
		} {
			require.NoError(t, ask(map[string]string{"objects": text}), "%s: %q", kind, text[:min(len(text), 50)])
		}
		require.NoError(t, ask(map[string]string{"objects": strings.Repeat("other.aws-iam,", 7_000)}), kind)
		for text, number := range map[string]int{"other.aws-iam,": 8_000, "app.aws-iam,": 100_000, ".aws-iam": 100_000} {
			require.ErrorContains(t, ask(map[string]string{"objects": strings.Repeat(text, number)}), "reduce its size", "%s: %s", kind, text)
		}
		many := map[string]string{}
		for i := range 2_001 {
			many[fmt.Sprint(i)] = "x"
		}
		require.ErrorContains(t, ask(many), "reduce its size", kind)
		many = map[string]string{}
		for i := range 20 {
			many[fmt.Sprint(i)] = strings.Repeat("other.aws-iam,", 7_000)
		}
		require.ErrorContains(t, ask(many), "reduce its size", kind)
	}
}

// debug attaches a debugger to a pod that is older than the guard.
func (g *guarded) debug(t *testing.T) {
	pod := probe.Given.DeepCopy()
	pod.Name, pod.Spec.ServiceAccountName = "older", "app"
	ways["volumes.secret.secretName"](&pod.Spec, "app.aws-iam")
	_, err := g.tenant.CoreV1().Pods(g.namespace).Create(t.Context(), pod, metav1.CreateOptions{})
	require.NoError(t, err)
	made, err := g.Client().CoreV1().Pods(g.namespace).Get(t.Context(), "older", metav1.GetOptions{})
	require.NoError(t, err)
	made.Spec.EphemeralContainers = []corev1.EphemeralContainer{{
		EphemeralContainerCommon: corev1.EphemeralContainerCommon{Name: "debugger", Image: "registry.example/debugger", Env: variable("db")},
	}}
	_, err = g.tenant.CoreV1().Pods(g.namespace).UpdateEphemeralContainers(t.Context(), "older", made, metav1.UpdateOptions{})
	require.NoError(t, err)
}

// kubectlDebug is what people would type.
func (g *guarded) kubectlDebug(t *testing.T) {
	profile := filepath.Join(t.TempDir(), "profile.json")
	require.NoError(t, os.WriteFile(profile, []byte(`{"envFrom":[{"secretRef":{"name":"app.aws-iam"}}]}`), 0o600))
	for _, how := range []string{"--container=debugger", "--copy-to=copy"} { // of the pod that was made for a debugger before
		_, err := g.Kubectl(t.Context(), "--as", cluster.Tenant(g.namespace), "-n", g.namespace,
			"debug", "other", "--image=registry.example/debugger", "--attach=false", "--custom="+profile, how)
		require.ErrorContains(t, err, "this pod runs as ServiceAccount other, and the container ", how)
	}
}

// huge has the guard read the largest pods that it takes, and turn away larger ones.
func (g *guarded) huge(t *testing.T) {
	grow := func(number int, last string) func(*corev1.PodSpec, string) {
		return func(s *corev1.PodSpec, secret string) {
			for range number - 1 {
				s.Containers[0].EnvFrom = append(s.Containers[0].EnvFrom, variables(secret)[1])
			}
			s.Containers[0].EnvFrom = append(s.Containers[0].EnvFrom, variables(last)[1])
		}
	}
	err := g.pod(t.Context(), "other", grow(2000, "db"), "db")
	require.NoError(t, err)
	err = g.pod(t.Context(), "other", grow(2000, "app.aws-iam"), "db")
	require.ErrorContains(t, err, "the container app names the Secret of another")
	for name, way := range map[string]func(*corev1.PodSpec, string){
		"variables": grow(30_000, "app.aws-iam"),
		"volumes": func(s *corev1.PodSpec, secret string) {
			for i := range 20_000 {
				s.Volumes = append(s.Volumes, corev1.Volume{Name: fmt.Sprint("v", i), VolumeSource: corev1.VolumeSource{
					Secret: &corev1.SecretVolumeSource{SecretName: secret},
				}})
			}
		},
		"sources": volume(func(v *corev1.VolumeSource, secret string) {
			v.Projected = &corev1.ProjectedVolumeSource{}
			for range 30_000 {
				v.Projected.Sources = append(v.Projected.Sources, corev1.VolumeProjection{
					Secret: &corev1.SecretProjection{LocalObjectReference: corev1.LocalObjectReference{Name: secret}},
				})
			}
		}),
	} {
		err = g.pod(t.Context(), "other", way, "app.aws-iam")
		require.ErrorContains(t, err, "reduce its size", name)
	}
}

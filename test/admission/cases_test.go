package admission

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"kube-aws-iam-controller/internal/admission/admissiontest"

	"kube-aws-iam-controller/test/cluster"
	"kube-aws-iam-controller/test/golden"
	"kube-aws-iam-controller/test/kit"
)

var shared cluster.Shared

func TestMain(m *testing.M) { os.Exit(shared.Run(m)) }

// image is the sidecar's in the cases.
const image = golden.Image

// within is how long what happens at once may take on a busy machine.
const within = kit.Within

// probe is a pod that shows whether admission works already.
var probe = golden.Probe

// A world is the control plane with a namespace for each case.
type world struct{ *golden.Pods }

// prepared is the world, once. It is made by the first test that asks, when nothing is installed yet.
var prepared struct {
	sync.Once

	pods *golden.Pods
	err  error
}

func newWorld(t *testing.T) *world {
	t.Helper()
	control := shared.Get(t)
	prepared.Do(func() {
		// Not the test's context: the namespaces serve the tests that follow, too.
		if prepared.pods, prepared.err = golden.Load(control.Access); prepared.err == nil {
			prepared.err = prepared.pods.Prepare(context.Background())
		}
	})
	require.NoError(t, prepared.err)
	return &world{prepared.pods}
}

// newUnprepared is a world whose cases have no namespaces.
func newUnprepared(t *testing.T, control *cluster.Cluster) *world {
	t.Helper()
	pods, err := golden.Load(control.Access)
	require.NoError(t, err)
	return &world{pods}
}

// debug attaches an ephemeral container to a pod with credentials: it is given none, and nobody is in its way.
func (w *world) debug(t *testing.T) {
	t.Helper()
	pods := w.Client().CoreV1().Pods(w.Namespace(probe.Name))
	pod, err := pods.Create(t.Context(), probe.Given.DeepCopy(), metav1.CreateOptions{})
	require.NoError(t, err)
	defer func() {
		assert.NoError(t, pods.Delete(context.Background(), pod.Name, metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))}))
	}()
	pod.Spec.EphemeralContainers = []corev1.EphemeralContainer{{
		EphemeralContainerCommon: corev1.EphemeralContainerCommon{Name: "debugger", Image: "registry.example/debugger"},
	}}
	made, err := pods.UpdateEphemeralContainers(t.Context(), pod.Name, pod, metav1.UpdateOptions{})
	require.NoError(t, err)
	assert.Empty(t, made.Spec.EphemeralContainers[0].Env)
	assert.Empty(t, made.Spec.EphemeralContainers[0].VolumeMounts)
	assert.NotEmpty(t, made.Spec.Containers[0].Env)
}

// huge has the API server admit a pod of many containers with many variables each.
func (w *world) huge(t *testing.T) {
	t.Helper()
	pod := probe.Given.DeepCopy()
	pod.Spec.Containers = nil
	for i := range 40 {
		c := corev1.Container{Name: fmt.Sprintf("app-%d", i), Image: "registry.example/app"}
		for j := range 200 {
			c.Env = append(c.Env, corev1.EnvVar{Name: fmt.Sprintf("SETTING_%d", j), Value: "x"})
		}
		pod.Spec.Containers = append(pod.Spec.Containers, c)
	}
	made, err := w.Create(t.Context(), &probe, pod)
	require.NoError(t, err)
	assert.Greater(t, len(made.Spec.Containers[39].Env), 200)
}

// limits has the API server admit pods with as much as may be, and refuse those with more.
func (w *world) limits(t *testing.T) {
	t.Helper()
	for _, limit := range admissiontest.Limits() {
		t.Run(limit.Of, func(t *testing.T) {
			made, err := w.Create(t.Context(), &probe, limit.Pod(probe.Given.Spec.ServiceAccountName, limit.Most))
			require.NoError(t, err)
			assert.NotEmpty(t, made.Spec.Containers[0].Env)
			made.ResourceVersion, made.UID = "", ""
			again, err := w.Create(t.Context(), &probe, made)
			require.NoError(t, err, "what it was given does not count")
			assert.Equal(t, made.Spec, again.Spec)

			_, err = w.Create(t.Context(), &probe, limit.Pod(probe.Given.Spec.ServiceAccountName, limit.Most+1))
			assert.True(t, apierrors.IsForbidden(err), "%v", err)
			assert.ErrorContains(t, err, "request: ServiceAccount probe: "+limit.Refusal)
		})
	}
}

// crowd has the API server admit a pod of as many containers as may be, and refuse one of more.
func (w *world) crowd(t *testing.T) {
	t.Helper()
	pod := probe.Given.DeepCopy()
	pod.Spec.Containers = nil
	pod.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
	for i := range 500 {
		pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{
			Name: fmt.Sprintf("app-%d", i), Image: "registry.example/app",
			VolumeMounts: []corev1.VolumeMount{{Name: "data", MountPath: fmt.Sprintf("/data/../var/aws-iam/%d", i)}},
		})
	}
	made, err := w.Create(t.Context(), &probe, pod)
	require.NoError(t, err)
	assert.NotEmpty(t, made.Spec.Containers[499].Env)

	pod.Spec.InitContainers = []corev1.Container{{Name: "setup", Image: "registry.example/setup"}}
	for title, skipped := range map[string]string{"one too many": "", "all of them left alone": "setup"} {
		for i := range pod.Spec.Containers {
			if skipped != "" {
				skipped += "," + pod.Spec.Containers[i].Name
			}
		}
		pod.Annotations = map[string]string{"iam.amazonaws.com/skip-containers": skipped}
		_, err = w.Create(t.Context(), &probe, pod)
		assert.True(t, apierrors.IsForbidden(err), "%s: %v", title, err)
		require.ErrorContains(t, err, `request: ServiceAccount probe: the pod has 501 containers and init containers; a pod that is given credentials may have at most 500: `+
			`reduce this, or opt the pod out with the label iam.amazonaws.com/inject: "false"`, title)
	}
	pod.Labels = map[string]string{"iam.amazonaws.com/inject": "false"}
	made, err = w.Create(t.Context(), &probe, pod)
	require.NoError(t, err)
	assert.Empty(t, made.Spec.Containers[499].Env)
}

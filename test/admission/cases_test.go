package admission

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"kube-aws-iam-controller/internal/admission/admissiontest"

	"kube-aws-iam-controller/test/cluster"
	"kube-aws-iam-controller/test/kit"
)

var shared cluster.Shared

func TestMain(m *testing.M) { os.Exit(shared.Run(m)) }

// image is the sidecar's in the cases.
const image = "registry.example/kube-aws-iam-controller:v1"

// within is how long what happens at once may take on a busy machine.
const within = kit.Within

// probe is a ServiceAccount whose pods show whether admission works already.
var probe = admissiontest.Case{Name: "probe", Given: &corev1.Pod{
	ObjectMeta: metav1.ObjectMeta{Name: "probe"},
	Spec:       corev1.PodSpec{ServiceAccountName: "probe", Containers: []corev1.Container{{Name: "app", Image: "registry.example/app"}}},
}}

// A world is the control plane with a namespace for each case.
type world struct {
	*cluster.Cluster

	cases []admissiontest.Case

	mu         sync.Mutex
	namespaces map[string]string // by case
	// unmutated is what the API server makes of the pods that are wanted, when
	// nothing else touches them.
	unmutated map[string]string
}

// prepared is the world, once. It is made by the first test that asks, when nothing is installed yet.
var prepared struct {
	sync.Once

	world *world
	err   error
}

func newWorld(t *testing.T) *world {
	t.Helper()
	control := shared.Get(t)
	prepared.Do(func() {
		// Not the test's context: the namespaces serve the tests that follow, too.
		ctx := context.Background()
		if prepared.world, prepared.err = loadWorld(control); prepared.err == nil {
			prepared.err = prepared.world.prepare(ctx)
		}
	})
	require.NoError(t, prepared.err)
	return prepared.world
}

func loadWorld(control *cluster.Cluster) (*world, error) {
	root, err := cluster.Root()
	if err != nil {
		return nil, err
	}
	cases, err := admissiontest.Load(filepath.Join(root, "internal", "admission", "testdata"))
	if err == nil && len(cases) < 40 {
		err = fmt.Errorf("there are %d cases only", len(cases))
	}
	return &world{Cluster: control, cases: cases, namespaces: map[string]string{}, unmutated: map[string]string{}}, err
}

// prepare makes the namespaces, many at a time, and has the API server say what it makes of the pods that are wanted.
func (w *world) prepare(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(8)
	group.Go(func() error {
		return w.furnish(ctx, probe.Name, *kit.NewAccount("probe", map[string]string{"role": "probe"}),
			*kit.NewAccount("malformed", map[string]string{"role": "probe", "delivery": "none of them"}))
	})
	for i := range w.cases {
		group.Go(func() error { return w.prepareCase(ctx, &w.cases[i]) })
	}
	return group.Wait()
}

func (w *world) prepareCase(ctx context.Context, c *admissiontest.Case) error {
	if err := w.furnish(ctx, c.Name, c.Accounts...); err != nil || c.Refusal != "" {
		return err
	}
	made, err := w.create(ctx, c, c.Wanted)
	if err != nil {
		return fmt.Errorf("%s: %w", c.Name, err)
	}
	text, err := specOf(made)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unmutated[c.Name] = text
	return err
}

// furnish makes a namespace with ServiceAccounts.
func (w *world) furnish(ctx context.Context, name string, accounts ...corev1.ServiceAccount) error {
	namespace, err := w.CreateNamespace(ctx, "admission-")
	if err != nil {
		return err
	}
	w.mu.Lock()
	w.namespaces[name] = namespace
	w.mu.Unlock()
	for i := range accounts {
		account := accounts[i].DeepCopy()
		_, err := w.Client().CoreV1().ServiceAccounts(namespace).Create(ctx, account, metav1.CreateOptions{})
		if apierrors.IsAlreadyExists(err) { // default
			_, err = w.Client().CoreV1().ServiceAccounts(namespace).Update(ctx, account, metav1.UpdateOptions{})
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// namespaceOf returns the namespace of a case.
func (w *world) namespaceOf(name string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.namespaces[name]
}

// create has the API server admit a pod, and store nothing.
func (w *world) create(ctx context.Context, c *admissiontest.Case, pod *corev1.Pod) (*corev1.Pod, error) {
	return w.Client().CoreV1().Pods(w.namespaceOf(c.Name)).Create(ctx, pod.DeepCopy(), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
}

// await returns once pods are mutated and refused, or are no longer: the parts of what is installed come into force one by
// one.
func (w *world) await(t *testing.T, mutated bool) {
	t.Helper()
	require.NoError(t, kit.Eventually(t.Context(), within, func(ctx context.Context) error {
		made, err := w.create(ctx, &probe, probe.Given)
		if err != nil {
			return err
		}
		if (len(made.Spec.Containers[0].Env) > 0) != mutated {
			return errors.New("the probe shows otherwise")
		}
		malformed := probe.Given.DeepCopy()
		malformed.Spec.ServiceAccountName = "malformed"
		if _, err = w.create(ctx, &probe, malformed); apierrors.IsForbidden(err) != mutated {
			return fmt.Errorf("the probe for refusals shows otherwise: %w", err)
		}
		return nil
	}))
}

// settings returns what the cases have of the installation, the defaults first.
func (w *world) settings() []admissiontest.Settings {
	all := []admissiontest.Settings{{}}
	for i := range w.cases {
		if !slices.Contains(all, w.cases[i].Settings) {
			all = append(all, w.cases[i].Settings)
		}
	}
	return all
}

// compare holds what the API server admits against every case with the settings of an installation.
func (w *world) compare(t *testing.T, settings admissiontest.Settings) {
	t.Helper()
	compared := 0
	for i := range w.cases {
		c := &w.cases[i]
		if c.Settings != settings {
			continue
		}
		compared++
		t.Run(c.Name, func(t *testing.T) {
			made, err := w.create(t.Context(), c, c.Given)
			if c.Refusal != "" {
				require.Error(t, err)
				assert.True(t, apierrors.IsForbidden(err), "%v", err)
				assert.Regexp(t, "denied (the )?request: "+regexp.QuoteMeta(c.Refusal)+"$", err.Error())
				return
			}
			require.NoError(t, err)
			assert.Equal(t, w.unmutated[c.Name], spec(t, made))
			assert.Equal(t, c.Given.Annotations, made.Annotations)
			again, err := w.create(t.Context(), c, c.Wanted)
			require.NoError(t, err)
			assert.Equal(t, w.unmutated[c.Name], spec(t, again), "doing it twice changes nothing")
		})
	}
	require.Positive(t, compared)
}

// debug attaches an ephemeral container to a pod with credentials: it is given none, and nobody is in its way.
func (w *world) debug(t *testing.T) {
	t.Helper()
	pods := w.Client().CoreV1().Pods(w.namespaceOf(probe.Name))
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
	made, err := w.create(t.Context(), &probe, pod)
	require.NoError(t, err)
	assert.Greater(t, len(made.Spec.Containers[39].Env), 200)
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
	made, err := w.create(t.Context(), &probe, pod)
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
		_, err = w.create(t.Context(), &probe, pod)
		assert.True(t, apierrors.IsForbidden(err), "%s: %v", title, err)
		require.ErrorContains(t, err, `request: ServiceAccount probe: the pod has 501 containers and init containers, and credentials are given to pods with 500 at most; `+
			`give it fewer, or leave it alone with the label iam.amazonaws.com/inject: "false"`, title)
	}
	pod.Labels = map[string]string{"iam.amazonaws.com/inject": "false"}
	made, err = w.create(t.Context(), &probe, pod)
	require.NoError(t, err)
	assert.Empty(t, made.Spec.Containers[499].Env)
}

// spec returns the bytes of a pod's spec.
func spec(t *testing.T, pod *corev1.Pod) string {
	t.Helper()
	text, err := specOf(pod)
	require.NoError(t, err)
	return text
}

func specOf(pod *corev1.Pod) (string, error) {
	text, err := json.MarshalIndent(pod.Spec, "", " ")
	return string(text), err
}

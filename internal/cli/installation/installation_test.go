package installation

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
)

func deployment(namespace, name string, containers ...corev1.Container) *appsv1.Deployment {
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{
		Namespace: namespace, Name: name, Labels: map[string]string{"app.kubernetes.io/name": "kube-aws-iam-controller"},
	}}
	d.Spec.Template.Spec.Containers = containers
	return d
}

func settings(namespace string, data map[string]string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "settings"}, Data: data}
}

func controller(args ...string) corev1.Container {
	return corev1.Container{
		Name: "controller", Image: "registry.example/controller:v1", Args: args,
		EnvFrom: []corev1.EnvFromSource{{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "settings"}}}},
		Env:     []corev1.EnvVar{{Name: "POD_NAMESPACE", ValueFrom: &corev1.EnvVarSource{}}},
	}
}

func TestControllersAreFoundWithTheirConfiguration(t *testing.T) {
	for name, tt := range map[string]struct {
		objects []runtime.Object
		// want are the controllers as namespace/name and cluster name.
		want map[string]string
	}{
		"none": {want: map[string]string{}},
		"settings in a ConfigMap": {
			objects: []runtime.Object{
				deployment("kube-system", "kube-aws-iam-controller", controller("--leader-elect")),
				settings("kube-system", map[string]string{"KUBE_AWS_IAM_CLUSTER_NAME": "prod"}),
			},
			want: map[string]string{"kube-system/kube-aws-iam-controller": "prod"},
		},
		"flags before settings": {
			objects: []runtime.Object{
				deployment("kube-system", "kube-aws-iam-controller", controller("--cluster-name=prod")),
				settings("kube-system", map[string]string{"KUBE_AWS_IAM_CLUSTER_NAME": "test"}),
			},
			want: map[string]string{"kube-system/kube-aws-iam-controller": "prod"},
		},
		"beside a sidecar, and one Deployment that is no controller": {
			objects: []runtime.Object{
				deployment("aws", "iam", corev1.Container{Name: "proxy"}, controller("--cluster-name=prod")),
				deployment("aws", "other", corev1.Container{Name: "proxy"}),
				settings("aws", nil),
			},
			want: map[string]string{"aws/iam": "prod"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := finder(fake.NewClientset(tt.objects...)).In(t.Context(), "")
			require.NoError(t, err)
			got := map[string]string{}
			for _, c := range found {
				require.NoError(t, c.ConfigError)
				assert.Equal(t, "registry.example/controller:v1", c.Image)
				got[c.Name()] = c.Config.ClusterName
			}
			assert.Equal(t, tt.want, got)
		})
	}
}

func TestAControllerWhoseConfigurationIsUnknownIsFoundAllTheSame(t *testing.T) {
	for name, tt := range map[string]struct {
		objects []runtime.Object
		want    string
	}{
		"settings that cannot be read": {
			objects: []runtime.Object{deployment("kube-system", "iam", controller())},
			want:    `the configuration of the controller kube-system/iam is not known: read its settings: configmaps "settings" not found`,
		},
		"flags of another version": {
			objects: []runtime.Object{deployment("kube-system", "iam", controller("--of-tomorrow")), settings("kube-system", nil)},
			want:    "not understood by this version of kubectl aws-iam: unknown flag",
		},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := finder(fake.NewClientset(tt.objects...)).In(t.Context(), "")
			require.NoError(t, err)
			require.Len(t, found, 1)
			require.ErrorContains(t, found[0].ConfigError, tt.want)
			assert.True(t, found[0].Serves("any"), "it may serve every namespace")
		})
	}
}

func TestAControllerForOneNamespaceServesThatAlone(t *testing.T) {
	found, err := finder(fake.NewClientset(deployment("team", "iam", controller("--namespace=team")), settings("team", nil))).In(t.Context(), "team")
	require.NoError(t, err)
	require.Len(t, found, 1)
	assert.True(t, found[0].Serves("team"))
	assert.False(t, found[0].Serves("other"))
}

package installation

import (
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"

	"kube-aws-iam-controller/internal/config"
)

// cluster has a controller for each of two namespaces, and one whose labels are others.
func cluster() []runtime.Object {
	unlabelled := deployment("other", "iam", controller())
	unlabelled.Labels = nil
	return []runtime.Object{
		deployment("a", "iam", controller("--namespace=a", "--cluster-name=prod")), settings("a", nil),
		deployment("b", "iam", controller("--namespace=b", "--cluster-name=prod")), settings("b", nil),
		unlabelled, settings("other", nil),
		deployment("a", "proxy", corev1.Container{Name: "proxy"}),
	}
}

func finder(client kubernetes.Interface) *Finder { return NewFinder(client, "v1.0.0", io.Discard) }

func TestTheControllerThatIsMeantIsSelected(t *testing.T) {
	for name, tt := range map[string]struct {
		controller, namespace, want, says string
	}{
		"by its name":                     {controller: "b/iam", want: "b/iam"},
		"by its name, whatever its label": {controller: "other/iam", want: "other/iam"},
		"by what it serves":               {namespace: "a", want: "a/iam"},
		"several":                         {says: "there are 2 controllers: name the one that is meant with --controller: a/iam, b/iam"},
		"none serves the namespace":       {namespace: "c", says: "no controller was found"},
		"none of that name":               {controller: "a/none", says: "no controller was found: there is no Deployment a/none"},
		"not a controller":                {controller: "a/proxy", says: "the Deployment a/proxy is not a controller's"},
		"not a name":                      {controller: "iam", says: `--controller: "iam" is not the name of a Deployment: give NAMESPACE/NAME`},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := finder(fake.NewClientset(cluster()...)).Select(t.Context(), tt.controller, tt.namespace)
			if tt.says != "" {
				require.ErrorContains(t, err, tt.says)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, tt.want, found.Name())
		})
	}
}

func TestAConfigurationIsOverriddenAndChecked(t *testing.T) {
	found, err := finder(fake.NewClientset(deployment("a", "iam", controller()), settings("a", nil))).Select(t.Context(), "", "")
	require.NoError(t, err)
	_, err = found.Configuration(func(*config.Config) {})
	require.ErrorContains(t, err, "the controller a/iam has no cluster name as far as its Deployment tells")
	_, err = found.Configuration(func(cfg *config.Config) { cfg.ClusterName = "a/b" })
	require.ErrorContains(t, err, "--cluster-name")
	cfg, err := found.Configuration(func(cfg *config.Config) { cfg.ClusterName = "prod" })
	require.NoError(t, err)
	assert.Equal(t, "prod", cfg.ClusterName)
	assert.Equal(t, "system:serviceaccount:a:default", found.User())
}

func TestSettingsFromTheFieldsOfThePodAreKnownOrSaidNotToBe(t *testing.T) {
	container := controller("--cluster-name=prod")
	field := func(path string) *corev1.EnvVarSource {
		return &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: path}}
	}
	container.Env = []corev1.EnvVar{{Name: "KUBE_AWS_IAM_NAMESPACE", ValueFrom: field("metadata.namespace")}, {Name: "NODE", ValueFrom: field("spec.nodeName")}}
	found, err := finder(fake.NewClientset(deployment("a", "iam", container), settings("a", nil))).In(t.Context(), "")
	require.NoError(t, err)
	require.NoError(t, found[0].ConfigError)
	assert.Equal(t, "a", found[0].Config.Namespace)

	container.Env = append(container.Env, corev1.EnvVar{Name: "KUBE_AWS_IAM_CLUSTER_NAME", ValueFrom: field("metadata.labels['x']")})
	found, err = finder(fake.NewClientset(deployment("a", "iam", container), settings("a", nil))).In(t.Context(), "")
	require.NoError(t, err)
	require.ErrorContains(t, found[0].ConfigError, "its setting KUBE_AWS_IAM_CLUSTER_NAME is neither a value nor in the ConfigMap of all settings")
}

func TestTheControllersRoleIsWhatTheClusterTells(t *testing.T) {
	const role = "arn:aws:iam::123456789012:role/infra/controller"
	withEnv := controller("--cluster-name=prod")
	withEnv.Env = append(withEnv.Env, corev1.EnvVar{Name: "AWS_ROLE_ARN", Value: role})
	for name, tt := range map[string]struct {
		container   corev1.Container
		annotations map[string]string
		want        string
	}{
		"a flag":              {container: controller("--cluster-name=prod", "--controller-role-arn="+role), want: role},
		"the role in between": {container: controller("--cluster-name=prod", "--assume-role="+role), want: role},
		"a role in between of an account that is not known": {
			container: controller("--cluster-name=prod", "--assume-role=hop"), annotations: map[string]string{"eks.amazonaws.com/role-arn": role},
		},
		"web identity": {container: withEnv, want: role},
		"IRSA":         {container: controller("--cluster-name=prod"), annotations: map[string]string{"eks.amazonaws.com/role-arn": role}, want: role},
		"a seed": {
			container:   controller("--cluster-name=prod", "--credentials-file=/meta/aws-iam/credentials.json"),
			annotations: map[string]string{"iam.amazonaws.com/role": role}, want: role,
		},
		"a role that it does not run on": {container: controller("--cluster-name=prod"), annotations: map[string]string{"iam.amazonaws.com/role": role}},
		"no ARN":                         {container: controller("--cluster-name=prod"), annotations: map[string]string{"eks.amazonaws.com/role-arn": "controller"}},
		"nothing":                        {container: controller("--cluster-name=prod")},
	} {
		t.Run(name, func(t *testing.T) {
			client := fake.NewClientset(deployment("a", "iam", tt.container), settings("a", nil),
				&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "default", Annotations: tt.annotations}})
			found, err := finder(client).Select(t.Context(), "", "")
			require.NoError(t, err)
			got, err := found.RoleARN(t.Context(), client, found.Config)
			require.NoError(t, err)
			assert.Equal(t, tt.want, got)
		})
	}
}

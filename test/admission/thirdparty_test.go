package admission

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/test/cluster"
	"kube-aws-iam-controller/test/kit"
)

// A thirdParty is what a chart that knows IRSA alone makes: its ServiceAccount, with the annotations that its users give
// it, and its pod, as far as it concerns admission.
type thirdParty struct {
	account corev1.ServiceAccount
	pod     corev1.PodSpec
}

// thirdParties are by chart. Their users give each the ARN of a role.
func thirdParties(arn func(name string) string) map[string]thirdParty {
	account := func(name string, more map[string]string) corev1.ServiceAccount {
		annotations := map[string]string{"eks.amazonaws.com/role-arn": arn(name)}
		for key, value := range more {
			annotations["eks.amazonaws.com/"+key] = value
		}
		return corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: annotations, Labels: map[string]string{
			"app.kubernetes.io/name": name, "app.kubernetes.io/instance": name, "app.kubernetes.io/managed-by": "Helm",
		}}}
	}
	restricted := &corev1.SecurityContext{
		AllowPrivilegeEscalation: new(false), ReadOnlyRootFilesystem: new(true), RunAsNonRoot: new(true),
		Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
	}
	scratch := corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}
	return map[string]thirdParty{
		"external-dns": {account("external-dns", nil), corev1.PodSpec{
			SecurityContext: &corev1.PodSecurityContext{FSGroup: new(int64(65534)), RunAsNonRoot: new(true)},
			Containers: []corev1.Container{{
				Name: "external-dns", Image: "registry.k8s.io/external-dns/external-dns", Args: []string{"--provider=aws", "--registry=txt"}, SecurityContext: restricted,
			}},
		}},
		"aws-load-balancer-controller": {account("aws-load-balancer-controller", map[string]string{"sts-regional-endpoints": "true"}), corev1.PodSpec{
			SecurityContext: &corev1.PodSecurityContext{FSGroup: new(int64(65534))},
			Volumes: []corev1.Volume{{Name: "cert", VolumeSource: corev1.VolumeSource{
				Secret: &corev1.SecretVolumeSource{SecretName: "aws-load-balancer-tls", DefaultMode: new(int32(420))},
			}}},
			Containers: []corev1.Container{{
				Name: "aws-load-balancer-controller", Image: "public.ecr.aws/eks/aws-load-balancer-controller", Args: []string{"--cluster-name=demo-cluster"},
				SecurityContext: restricted,
				VolumeMounts:    []corev1.VolumeMount{{Name: "cert", MountPath: "/tmp/k8s-webhook-server/serving-certs", ReadOnly: true}},
			}},
		}},
		// With credentials.useSecret=false: it has the credentials of a Secret of its own otherwise.
		"velero": {account("velero-server", map[string]string{"token-expiration": "86400"}), corev1.PodSpec{
			Volumes: []corev1.Volume{{Name: "plugins", VolumeSource: scratch}, {Name: "scratch", VolumeSource: scratch}},
			InitContainers: []corev1.Container{{
				Name: "velero-plugin-for-aws", Image: "velero/velero-plugin-for-aws", VolumeMounts: []corev1.VolumeMount{{Name: "plugins", MountPath: "/target"}},
			}},
			Containers: []corev1.Container{{
				Name: "velero", Image: "velero/velero", Command: []string{"/velero"}, Args: []string{"server"},
				Env:          []corev1.EnvVar{{Name: "VELERO_SCRATCH_DIR", Value: "/scratch"}, {Name: "LD_LIBRARY_PATH", Value: "/plugins"}},
				VolumeMounts: []corev1.VolumeMount{{Name: "plugins", MountPath: "/plugins"}, {Name: "scratch", MountPath: "/scratch"}},
			}},
		}},
	}
}

// irsaReader is a controller of a namespace that reads annotations of IRSA, and its AWS.
type irsaReader struct {
	*accounts

	aws *kit.AWS
}

// newIRSAReader runs a controller, with more flags, until the test ends.
func newIRSAReader(t *testing.T, args ...string) *irsaReader {
	t.Helper()
	r := &irsaReader{accounts: newAccounts(t)}
	kubeconfig, err := kit.Install(t.Context(), r.Access)
	require.NoError(t, err)
	rights := kit.Component{Name: "irsa-annotations"}
	require.NoError(t, rights.Apply(t.Context(), r.Access))
	t.Cleanup(func() { assert.NoError(t, rights.Delete(context.Background(), r.Access)) })
	binary, err := kit.Binary()
	require.NoError(t, err)
	r.aws, err = kit.StartAWS(t.Context(), "/")
	require.NoError(t, err)
	t.Cleanup(r.aws.Close)
	c, err := kit.StartController(t.Context(), kit.Options{
		Binary: binary, Kubeconfig: kubeconfig, Log: filepath.Join(t.TempDir(), "controller.log"),
		Args: append([]string{"--irsa-annotations", "--namespace=" + r.namespace}, args...),
		Env:  append(r.aws.ControllerEnv(), "POD_NAMESPACE="+kit.Namespace, "KUBE_AWS_IAM_CLUSTER_NAME=test"),
	})
	require.NoError(t, err)
	t.Cleanup(c.Kill)
	require.NoError(t, c.WaitReady(t.Context(), within))
	return r
}

// run installs a chart as it is, and holds what its pod is given against what it asks for.
func (r *irsaReader) run(t *testing.T, chart thirdParty) {
	t.Helper()
	role, err := r.aws.Role(kit.AccountID, "", chart.account.Name, r.namespace+"/test")
	require.NoError(t, err)
	require.Equal(t, role, chart.account.Annotations["eks.amazonaws.com/role-arn"])
	_, err = r.Client().CoreV1().ServiceAccounts(r.namespace).Create(t.Context(), &chart.account, metav1.CreateOptions{})
	require.NoError(t, err)
	secret, err := kit.In(r.Access, r.namespace).Secret(t.Context(), chart.account.Name+".aws-iam", nil)
	require.NoError(t, err)
	assert.Equal(t, role, string(secret.Data["role-arn"]))
	assert.NotContains(t, r.get(t, chart.account.Name).Labels, requests)

	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: chart.account.Name}, Spec: chart.pod}
	pod.Spec.ServiceAccountName = chart.account.Name
	var made *corev1.Pod
	require.NoError(t, kit.Eventually(t.Context(), within, func(ctx context.Context) (err error) {
		made, err = r.Client().CoreV1().Pods(r.namespace).Create(ctx, pod.DeepCopy(), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if err == nil && !slices.ContainsFunc(made.Spec.Volumes, ours) {
			err = fmt.Errorf("it has the volumes %v", made.Spec.Volumes)
		}
		return err
	}))
	given := slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers)
	for i, c := range slices.Concat(made.Spec.InitContainers, made.Spec.Containers) {
		assert.Subset(t, c.Env, given[i].Env, c.Name)
		assert.Subset(t, c.VolumeMounts, given[i].VolumeMounts, c.Name)
		assert.Contains(t, c.Env, corev1.EnvVar{Name: "AWS_SHARED_CREDENTIALS_FILE", Value: "/meta/aws-iam/credentials.process"}, c.Name)
		assert.Contains(t, c.VolumeMounts, corev1.VolumeMount{Name: "aws-iam-credentials", MountPath: "/meta/aws-iam", ReadOnly: true}, c.Name)
	}
}

func ours(v corev1.Volume) bool { return v.Name == "aws-iam-credentials" }

func (r *irsaReader) runAll(t *testing.T) {
	t.Helper()
	charts := thirdParties(func(name string) string { return kit.ARN(kit.AccountID, "", name) })
	for name, chart := range charts {
		t.Run(name, func(t *testing.T) { r.run(t, chart) })
	}
}

func TestThirdPartyChartsRunUnchangedWithThePolicy(t *testing.T) {
	r := newIRSAReader(t)
	r.install(t, map[string]string{"IRSA_ANNOTATIONS": "true"})
	r.runAll(t)
}

func TestThirdPartyChartsRunUnchangedWithTheWebhook(t *testing.T) {
	port, err := cluster.FreePort(t.Context())
	require.NoError(t, err)
	component := kit.WebhookComponent(port)
	require.NoError(t, component.Apply(t.Context(), shared.Get(t).Access))
	t.Cleanup(func() { assert.NoError(t, component.Delete(context.Background(), shared.Get(t).Access)) })
	newIRSAReader(t, "--webhook-listen-address=127.0.0.1:"+strconv.Itoa(port), "--credentials-server-image="+image).runAll(t)
}

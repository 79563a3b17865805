package admission

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"kube-aws-iam-controller/internal/admission/admissiontest"

	"kube-aws-iam-controller/test/kit"
)

// constrained is a namespace that asks much of its pods: quotas on all that containers can request, and the restricted Pod
// Security Standard.
var constrained = admissiontest.Case{Name: "constrained"}

// constrain makes it, once.
func (w *world) constrain(t *testing.T) {
	t.Helper()
	if w.Namespace(constrained.Name) != "" {
		return
	}
	require.NoError(t, w.Furnish(t.Context(), constrained.Name, corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "app", Annotations: map[string]string{
		"iam.amazonaws.com/role": "app", "iam.amazonaws.com/delivery": "endpoint",
	}}}))
	namespace, core := w.Namespace(constrained.Name), w.Client().CoreV1()
	patch := []byte(`{"metadata":{"labels":{"pod-security.kubernetes.io/enforce":"restricted"}}}`)
	_, err := core.Namespaces().Patch(t.Context(), namespace, types.MergePatchType, patch, metav1.PatchOptions{})
	require.NoError(t, err)
	_, err = core.ResourceQuotas(namespace).Create(t.Context(), &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Name: "all"},
		Spec: corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{
			corev1.ResourceRequestsCPU: resource.MustParse("2"), corev1.ResourceRequestsMemory: resource.MustParse("2Gi"),
			corev1.ResourceLimitsCPU: resource.MustParse("2"), corev1.ResourceLimitsMemory: resource.MustParse("2Gi"),
		}},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	require.NoError(t, kit.Eventually(t.Context(), within, func(ctx context.Context) error {
		quota, err := core.ResourceQuotas(namespace).Get(ctx, "all", metav1.GetOptions{})
		if err == nil && len(quota.Status.Hard) == 0 {
			err = errors.New("the quota is not in force yet")
		}
		return err
	}))
}

// fits has the API server admit pods with the sidecar to a namespace that constrains them.
func (w *world) fits(t *testing.T) {
	t.Helper()
	w.constrain(t)
	amounts := func(cpu, memory string) corev1.ResourceList {
		return corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory)}
	}
	small, large := amounts("100m", "32Mi"), amounts("500m", "64Mi")
	for title, c := range map[string]struct {
		container, pod corev1.ResourceRequirements
		want           corev1.PodQOSClass
	}{
		"a burstable pod":                  {corev1.ResourceRequirements{Requests: small, Limits: large}, corev1.ResourceRequirements{}, corev1.PodQOSBurstable},
		"a guaranteed pod":                 {corev1.ResourceRequirements{Requests: large, Limits: large}, corev1.ResourceRequirements{}, corev1.PodQOSGuaranteed},
		"a pod with resources of its own":  {corev1.ResourceRequirements{}, corev1.ResourceRequirements{Requests: small, Limits: small}, corev1.PodQOSGuaranteed},
		"containers that use all of these": {corev1.ResourceRequirements{Requests: small, Limits: small}, corev1.ResourceRequirements{Requests: small, Limits: small}, corev1.PodQOSGuaranteed},
	} {
		t.Run(title, func(t *testing.T) {
			pod := restricted()
			pod.Spec.Containers[0].Resources = c.container
			if c.pod.Limits != nil {
				pod.Spec.Resources = &c.pod
			}
			made, err := w.Create(t.Context(), &constrained, pod)
			if c.pod.Limits != nil && slices.Contains(w.Dropped(), "spec.resources") && err != nil {
				// The quota has to see the resources of a container, which it need not where the pod's own are kept.
				require.ErrorContains(t, err, "failed quota: all: must specify limits.cpu")
				return
			}
			require.NoError(t, err)
			require.Len(t, made.Spec.InitContainers, 1, "it has the sidecar")
			assert.Equal(t, c.want, made.Status.QOSClass)
		})
	}
}

// restricted returns a pod that the restricted Pod Security Standard admits.
func restricted() *corev1.Pod {
	yes, no := true, false
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "app"},
		Spec: corev1.PodSpec{ServiceAccountName: "app", Containers: []corev1.Container{{
			Name: "app", Image: "registry.example/app", SecurityContext: &corev1.SecurityContext{
				AllowPrivilegeEscalation: &no, RunAsNonRoot: &yes,
				Capabilities:   &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
				SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			},
		}}},
	}
}

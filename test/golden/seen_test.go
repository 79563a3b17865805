package golden

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

func TestWhatIsNotKeptOfAPodIsNamed(t *testing.T) {
	limits := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")}
	sent := corev1.PodSpec{
		Resources:       &corev1.ResourceRequirements{Limits: limits},
		SecurityContext: &corev1.PodSecurityContext{FSGroup: new(int64(1)), SupplementalGroupsPolicy: new(corev1.SupplementalGroupsPolicyStrict)},
		Containers: []corev1.Container{
			{Name: "a", Resources: corev1.ResourceRequirements{Limits: limits}},
			{Name: "b", VolumeMounts: []corev1.VolumeMount{{Name: "v", RecursiveReadOnly: new(corev1.RecursiveReadOnlyEnabled)}}},
		},
		Volumes: []corev1.Volume{{Name: "v"}},
	}
	all, err := dropped(&sent, sent.DeepCopy())
	require.NoError(t, err)
	assert.Empty(t, all)

	kept := sent.DeepCopy()
	kept.RestartPolicy = corev1.RestartPolicyAlways // a default
	kept.Resources, kept.SecurityContext.SupplementalGroupsPolicy, kept.Volumes = nil, nil, nil
	kept.Containers[0].Resources = corev1.ResourceRequirements{}
	kept.Containers[1].VolumeMounts[0].RecursiveReadOnly = nil
	all, err = dropped(&sent, kept)
	require.NoError(t, err)
	assert.Equal(t, []string{
		"spec.containers.resources", "spec.containers.volumeMounts.recursiveReadOnly", "spec.resources",
		"spec.securityContext.supplementalGroupsPolicy", "spec.volumes",
	}, all)
}

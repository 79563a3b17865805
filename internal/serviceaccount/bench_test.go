package serviceaccount

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/internal/api"
)

// BenchmarkTransform counts what the cache makes of a ServiceAccount. Nearly all of a
// cluster's ask for nothing, some of them with annotations of other tools.
func BenchmarkTransform(b *testing.B) {
	for name, annotations := range map[string]map[string]string{
		"nothing":     nil,
		"others-only": {"meta.helm.sh/release-name": "app", "kubectl.kubernetes.io/last-applied-configuration": "{}"},
		"role":        {api.RoleAnnotation: "app", "meta.helm.sh/release-name": "app"},
	} {
		b.Run(name, func(b *testing.B) {
			account := object(annotations)
			account.Labels = map[string]string{"app.kubernetes.io/name": "app"}
			account.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "helm"}}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := (Annotations{}).Transform(account); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

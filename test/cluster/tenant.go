package cluster

import (
	"fmt"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// Tenant is the user who may edit a namespace, and nothing else.
func Tenant(namespace string) string { return "tenant-of-" + namespace }

// TenantConfig lets a tenant edit a namespace, by Kubernetes' own role for that, and returns a configuration for a client
// that acts as the tenant.
func (a *Access) TenantConfig(tb testing.TB, namespace string) *rest.Config {
	tb.Helper()
	_, err := a.client.RbacV1().RoleBindings(namespace).Create(tb.Context(), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "tenant"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "edit"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: Tenant(namespace)}},
	}, metav1.CreateOptions{})
	if err != nil {
		tb.Fatal(fmt.Errorf("let the tenant edit %s: %w", namespace, err))
	}
	return a.UserConfig(Tenant(namespace))
}

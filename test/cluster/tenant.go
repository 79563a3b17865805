package cluster

import (
	"context"
	"fmt"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
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
	config := a.UserConfig(Tenant(namespace))
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(tb.Context(), namespaceTimeout)
	defer cancel()
	if err := poll(ctx, nil, func(ctx context.Context) error { // until the API server has seen the binding
		_, err := client.CoreV1().Secrets(namespace).List(ctx, metav1.ListOptions{})
		return err
	}); err != nil {
		tb.Fatal(fmt.Errorf("the tenant of %s: %w", namespace, err))
	}
	return config
}

package main

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// kind is one kind of object that asks for credentials.
type kind struct {
	name   string
	create func(b *bench, ctx context.Context, namespace, name string) error
}

var kinds = []kind{
	{"ServiceAccounts", (*bench).createAccount},
	{"AWSIAMRoles", (*bench).createRole},
}

func (b *bench) createAccount(ctx context.Context, namespace, name string) error {
	_, err := b.Client().CoreV1().ServiceAccounts(namespace).Create(ctx, &corev1.ServiceAccount{
		ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{"iam.amazonaws.com/role": "app"}},
	}, metav1.CreateOptions{})
	return err
}

// createOther creates a ServiceAccount that asks for nothing.
func (b *bench) createOther(ctx context.Context, namespace, name string) error {
	_, err := b.Client().CoreV1().ServiceAccounts(namespace).Create(ctx, &corev1.ServiceAccount{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"app": "nothing"}},
	}, metav1.CreateOptions{})
	return err
}

func (b *bench) createRole(ctx context.Context, namespace, name string) error {
	_, err := b.objects.Resource(schema.GroupVersionResource{Group: "zalando.org", Version: "v1", Resource: "awsiamroles"}).
		Namespace(namespace).Create(ctx, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "zalando.org/v1", "kind": "AWSIAMRole", "metadata": map[string]any{"name": name},
		"spec": map[string]any{"roleReference": "app"},
	}}, metav1.CreateOptions{})
	return err
}

// numbered creates n objects, from first on.
func (b *bench) numbered(ctx context.Context, namespace string, first, n int, create func(context.Context, string, string) error) error {
	return many(ctx, n, func(ctx context.Context, i int) error {
		return create(ctx, namespace, fmt.Sprintf("app-%d", first+i))
	})
}

package cluster

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// namespaceTimeout covers a controller manager that has much else to do.
	namespaceTimeout = 30 * time.Second
	// namespaceName leaves room in the 63 characters for what the API server appends.
	namespaceName = 40
	// rootConfigMap is what the controller manager puts into each namespace for clients of the API server.
	rootConfigMap = "kube-root-ca.crt"
)

// NewNamespace creates a namespace named after the test, waits until pods could use it, and deletes it after the
// test without waiting for its end.
func (a *Access) NewNamespace(tb testing.TB) string {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), namespaceTimeout)
	defer cancel()

	name, err := a.CreateNamespace(ctx, namespacePrefix(tb.Name()))
	if name != "" {
		tb.Cleanup(func() {
			if failed := a.deleteNamespace(context.Background(), name); failed != nil {
				tb.Errorf("delete the test's namespace: %v", failed)
			}
		})
	}
	if err != nil {
		tb.Fatal(err)
	}
	return name
}

// CreateNamespace creates a namespace whose name begins with a prefix, and waits until pods could use it. On a control
// plane that packages share it is deleted with the others of this package.
func (a *Access) CreateNamespace(ctx context.Context, prefix string) (string, error) {
	created, err := a.client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{
		ObjectMeta: metav1.ObjectMeta{GenerateName: prefix},
	}, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("create a namespace: %w", err)
	}
	a.mu.Lock()
	a.namespaces = append(a.namespaces, created.Name)
	a.mu.Unlock()
	furnished := func(ctx context.Context) error { return a.namespaceReady(ctx, created.Name) }
	if err := poll(ctx, nil, furnished); err != nil {
		return created.Name, fmt.Errorf("namespace %s: %w", created.Name, err)
	}
	return created.Name, nil
}

func (a *Access) deleteNamespace(ctx context.Context, name string) error {
	err := a.client.CoreV1().Namespaces().Delete(ctx, name, metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// namespacePrefix makes a test's name fit for a namespace.
func namespacePrefix(test string) string {
	name := regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(strings.ToLower(test), "-")
	return strings.Trim(name[:min(len(name), namespaceName)], "-") + "-"
}

// namespaceReady returns nil when the controller manager has furnished a namespace with what pods need.
func (a *Access) namespaceReady(ctx context.Context, namespace string) error {
	if _, err := a.client.CoreV1().ServiceAccounts(namespace).Get(ctx, "default", metav1.GetOptions{}); err != nil {
		return err
	}
	_, err := a.client.CoreV1().ConfigMaps(namespace).Get(ctx, rootConfigMap, metav1.GetOptions{})
	return err
}

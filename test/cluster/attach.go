package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// DirVariable is the environment variable with the directory of a control plane that the packages of a test run share:
// cmd/controlplane sets it for the command that it runs.
const DirVariable = "TEST_CONTROL_PLANE"

// attach gives access to a control plane that runs in a directory. Its components are not this process's to kill.
func attach(ctx context.Context, dir string, options Options) (*Cluster, error) {
	bins, err := Binaries(ctx, options.Progress)
	if err != nil {
		return nil, err
	}
	own, remove, err := Options{}.makeDir()
	if err != nil {
		return nil, err
	}
	access, err := newAccess(filepath.Join(dir, adminKubeconfig), bins.Kubectl, own)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("control plane of %s: %w", DirVariable, err), remove())
	}
	return &Cluster{Access: access, remove: remove}, nil
}

// lockOf is the file whose lock a package holds while it uses a shared control plane.
func lockOf(dir string) string { return filepath.Join(dir, "tests.lock") }

// leave deletes the namespaces that this package made, and takes the finalizers off their ServiceAccounts: no controller is
// left to do it, and the controllers of the next package would serve what this one left behind. It deletes the pods of
// kube-system as well, which those controllers would take for replicas of their own.
func (c *Cluster) leave(ctx context.Context) error {
	if err := c.deleteWorkloads(ctx, metav1.NamespaceSystem); err != nil {
		return fmt.Errorf("delete what runs in %s: %w", metav1.NamespaceSystem, err)
	}
	for _, name := range c.namespaces {
		if err := c.deleteNamespace(ctx, name); err != nil {
			return fmt.Errorf("delete the namespace %s: %w", name, err)
		}
	}
	list, err := c.client.CoreV1().ServiceAccounts(metav1.NamespaceAll).List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("what the tests left behind: %w", err)
	}
	for i := range list.Items {
		account := &list.Items[i]
		if len(account.Finalizers) == 0 || !slices.Contains(c.namespaces, account.Namespace) {
			continue
		}
		err = errors.Join(err, c.removeFinalizers(ctx, account.Namespace, account.Name))
	}
	return err
}

// deleteWorkloads deletes the Deployments and the pods of a namespace, and returns when there are no more.
func (c *Cluster) deleteWorkloads(ctx context.Context, namespace string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	pods, now := c.client.CoreV1().Pods(namespace), metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))}
	foreground := metav1.DeleteOptions{PropagationPolicy: new(metav1.DeletePropagationForeground)}
	return poll(ctx, nil, func(ctx context.Context) error { // a Deployment replaces pods for as long as it is there
		err := errors.Join(
			c.client.AppsV1().Deployments(namespace).DeleteCollection(ctx, foreground, metav1.ListOptions{}),
			pods.DeleteCollection(ctx, now, metav1.ListOptions{}))
		if err != nil {
			return err
		}
		deployments, err1 := c.client.AppsV1().Deployments(namespace).List(ctx, metav1.ListOptions{})
		left, err2 := pods.List(ctx, metav1.ListOptions{})
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		if n := len(deployments.Items) + len(left.Items); n > 0 {
			return fmt.Errorf("%d objects are left", n)
		}
		return nil
	})
}

// removeFinalizers takes the finalizers off a ServiceAccount. A policy that was deleted a moment ago may still refuse that.
func (c *Cluster) removeFinalizers(ctx context.Context, namespace, name string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return poll(ctx, nil, func(ctx context.Context) error {
		_, err := c.client.CoreV1().ServiceAccounts(namespace).Patch(ctx, name, types.MergePatchType,
			[]byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return err
	})
}

// Environment is that of a command whose tests share this control plane.
func (c *Cluster) Environment() []string { return append(os.Environ(), DirVariable+"="+c.dir) }

package installation

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// usualNamespace is where the manifests install the controller.
const usualNamespace = metav1.NamespaceSystem

// A Finder finds controllers with the permissions of the user, and says once of each that
// it is of another version than the plugin.
type Finder struct {
	client   kubernetes.Interface
	plugin   string
	warnings io.Writer
	warned   map[string]bool
}

// NewFinder returns a Finder for a plugin of a version.
func NewFinder(client kubernetes.Interface, plugin string, warnings io.Writer) *Finder {
	return &Finder{client: client, plugin: plugin, warnings: warnings, warned: map[string]bool{}}
}

// Found are the controllers that the user may see.
type Found struct {
	Controllers []*Controller
	// Hidden is why there may be more, nil if there are none: Deployments may not be listed
	// in all namespaces.
	Hidden error
}

// Anywhere returns the controllers of the cluster. Whoever may not list Deployments in all
// namespaces sees those where the controller usually is, and in the given namespaces. The
// error is never one of permissions.
func (f *Finder) Anywhere(ctx context.Context, namespaces ...string) (Found, error) {
	all, err := f.In(ctx, metav1.NamespaceAll)
	if !apierrors.IsForbidden(err) {
		return Found{Controllers: all}, err
	}
	found := Found{Hidden: err}
	namespaces = slices.DeleteFunc(append(namespaces, usualNamespace), func(namespace string) bool { return namespace == "" })
	slices.Sort(namespaces)
	for _, namespace := range slices.Compact(namespaces) {
		here, err := f.In(ctx, namespace)
		if err != nil && !apierrors.IsForbidden(err) {
			return Found{}, err
		}
		found.Controllers = append(found.Controllers, here...)
	}
	return found, nil
}

// In returns the controllers in a namespace, "" for all, ordered by name. Errors are
// those of the API server: Forbidden if Deployments may not be listed.
func (f *Finder) In(ctx context.Context, namespace string) ([]*Controller, error) {
	list, err := f.client.AppsV1().Deployments(namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return nil, fmt.Errorf("list the Deployments of controllers: %w", err)
	}
	var found []*Controller
	for i := range list.Items {
		if c := newController(ctx, f.client, &list.Items[i]); c != nil {
			f.warnOfSkew(c)
			found = append(found, c)
		}
	}
	slices.SortFunc(found, func(a, b *Controller) int { return cmp.Compare(a.Name(), b.Name()) })
	return found, nil
}

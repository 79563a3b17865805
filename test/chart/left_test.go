package chart

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"kube-aws-iam-controller/test/kit"
)

// clear takes away what an earlier test has kept.
func (w *world) clear() {
	w.t.Helper()
	_, err := w.Kubectl(w.t.Context(), "delete", "customresourcedefinition", "awsiamroles.zalando.org", "--ignore-not-found")
	require.NoError(w.t, err)
	w.requireLeft()
}

// ours returns what there is of the controller in the cluster: objects that have its name or begin with it, by resource.
func (w *world) ours(ctx context.Context) ([]string, error) {
	config := w.AdminConfig()
	config.WarningHandler = rest.NoWarnings{} // of resources that are deprecated
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	lists, err := w.Client().Discovery().ServerPreferredResources()
	if err != nil {
		return nil, err
	}
	found := map[string]bool{}
	for _, list := range discovery.FilteredBy(discovery.SupportsAllVerbs{Verbs: []string{"list"}}, lists) {
		version, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			return nil, err
		}
		for _, resource := range list.APIResources {
			objects, err := client.Resource(version.WithResource(resource.Name)).List(ctx, metav1.ListOptions{})
			if apierrors.IsNotFound(err) {
				continue // a custom resource whose definition goes
			}
			if err != nil {
				return nil, err
			}
			for i := range objects.Items {
				name := objects.Items[i].GetName()
				if (strings.Contains(name, Name) || strings.HasSuffix(name, "zalando.org")) && resource.Name != "events" {
					found[resource.Name+" "+name] = true
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(found)), nil
}

// requireLeft waits until this is what there is of the controller.
func (w *world) requireLeft(want ...string) {
	w.t.Helper()
	var found []string
	err := kit.Eventually(w.t.Context(), kit.Within, func(ctx context.Context) (err error) {
		if found, err = w.ours(ctx); err == nil && !slices.Equal(want, found) {
			err = fmt.Errorf("there are %q", found)
		}
		return err
	})
	assert.NoError(w.t, err, "want %q", want)
}

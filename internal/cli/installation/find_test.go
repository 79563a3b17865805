package installation

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

func TestWhoMayListOnlySomeNamespacesSeesTheControllersThere(t *testing.T) {
	deployments := schema.GroupResource{Group: "apps", Resource: "deployments"}
	for name, tt := range map[string]struct {
		// allowed are the namespaces that may be listed, "" for all. failure is the answer to
		// all other requests.
		allowed, namespaces, want []string
		failure                   error
		hidden, fails             bool
	}{
		"all":                     {allowed: []string{""}, want: []string{"demo/iam", "kube-system/iam", "other/iam"}},
		"one's own":               {allowed: []string{"demo"}, namespaces: []string{"demo"}, want: []string{"demo/iam"}, hidden: true},
		"the usual one":           {allowed: []string{"kube-system"}, namespaces: []string{"demo"}, want: []string{"kube-system/iam"}, hidden: true},
		"both, each once":         {allowed: []string{"demo", "kube-system"}, namespaces: []string{"kube-system", "demo", ""}, want: []string{"demo/iam", "kube-system/iam"}, hidden: true},
		"none":                    {namespaces: []string{"demo"}, hidden: true},
		"none, after an outage":   {namespaces: []string{"demo"}, failure: errors.New("connection refused"), fails: true},
		"not those that are none": {allowed: []string{"other"}, namespaces: []string{"demo"}, hidden: true},
	} {
		t.Run(name, func(t *testing.T) {
			client := fake.NewClientset(
				deployment("demo", "iam", controller()), settings("demo", nil), deployment("kube-system", "iam", controller()), settings("kube-system", nil),
				deployment("other", "iam", controller()), settings("other", nil))
			client.PrependReactor("list", "deployments", func(action clienttesting.Action) (bool, runtime.Object, error) {
				for _, namespace := range tt.allowed {
					if action.GetNamespace() == namespace {
						return false, nil, nil
					}
				}
				if tt.failure != nil {
					return true, nil, tt.failure
				}
				return true, nil, apierrors.NewForbidden(deployments, "", nil)
			})
			found, err := finder(client).Anywhere(t.Context(), tt.namespaces...)
			require.Equal(t, tt.fails, err != nil, "%v", err)
			assert.Equal(t, tt.hidden, apierrors.IsForbidden(found.Hidden))
			var names []string
			for _, c := range found.Controllers {
				names = append(names, c.Name())
			}
			assert.Equal(t, tt.want, names)
		})
	}
}

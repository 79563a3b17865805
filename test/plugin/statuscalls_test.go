package plugin

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"

	"kube-aws-iam-controller/test/cluster"
	"kube-aws-iam-controller/test/kit"
)

// calls returns the requests of the plugin, as verb and resource, each with how often it was made. None may be answered from
// a cache of the API server that need not have what was created just before.
func calls(t *testing.T, control *cluster.Cluster) map[string]int {
	t.Helper()
	events, err := control.AuditEvents()
	require.NoError(t, err)
	made := map[string]int{}
	for i := range events {
		e := &events[i]
		if e.Stage == auditv1.StageResponseComplete && strings.HasPrefix(e.UserAgent, "kubectl-aws_iam/") && e.ObjectRef != nil {
			assert.NotContains(t, e.RequestURI, "resourceVersion=0")
			made[e.Verb+" "+e.ObjectRef.Resource]++
		}
	}
	return made
}

// How many calls it takes does not depend on how many identities there are.
func TestStatusTakesFiveListCallsHoweverManyIdentitiesThereAre(t *testing.T) {
	identities := 10_000
	if testing.Short() {
		identities = 500
	}
	shared.Get(t)
	control, err := cluster.Start(t.Context(), cluster.Options{Audit: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, control.Stop()) })
	_, err = kit.Install(t.Context(), control.Access)
	require.NoError(t, err)
	namespace := control.NewNamespace(t)
	group, ctx := errgroup.WithContext(t.Context())
	group.SetLimit(30)
	for i := range identities {
		group.Go(func() error {
			_, failed := control.Client().CoreV1().ServiceAccounts(namespace).Create(ctx,
				kit.NewAccount(fmt.Sprintf("app-%d", i), map[string]string{"role": "app"}), metav1.CreateOptions{})
			return failed
		})
	}
	require.NoError(t, group.Wait())

	// An API server that fills its cache of a kind for the first request has it repeated.
	_, err = kit.RunPlugin(t.Context(), control.AdminKubeconfig(), "status", "--all-namespaces")
	require.NoError(t, err)
	before := calls(t, control)
	out, err := kit.RunPlugin(t.Context(), control.AdminKubeconfig(), "status", "--all-namespaces")
	require.NoError(t, err)
	require.Zero(t, out.Code, out.Stderr)
	assert.Equal(t, identities+1, strings.Count(out.Stdout, "\n"))
	assert.Equal(t, map[string]int{
		"list serviceaccounts": 1, "list secrets": 1, "list awsiamroles": 1, "list events": 1, "list deployments": 1,
	}, since(before, calls(t, control)))
}

func since(before, after map[string]int) map[string]int {
	made := map[string]int{}
	for name, n := range after {
		if n -= before[name]; n > 0 {
			made[name] = n
		}
	}
	return made
}

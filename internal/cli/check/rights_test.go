package check

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	authorizationv1 "k8s.io/api/authorization/v1"

	"kube-aws-iam-controller/internal/config"
)

func named(t *testing.T, c config.Config) (names []string) {
	t.Helper()
	rights, err := needed(&c, "iam")
	require.NoError(t, err)
	for _, r := range rights {
		names = append(names, r.String())
	}
	return names
}

func TestTheRightsOfAControllerFollowFromWhatIsShipped(t *testing.T) {
	const update, webhook, tokens = "update leases.coordination.k8s.io/kube-aws-iam-controller --namespace=iam",
		"patch mutatingwebhookconfigurations.admissionregistration.k8s.io/kube-aws-iam-controller-webhook", "create tokenreviews.authentication.k8s.io"
	const everywhere, inTeam = "create secrets", "create secrets --namespace=team"
	for name, tt := range map[string]struct {
		config  config.Config
		has, no []string
	}{
		"of a cluster":                {config.Config{LeaderElect: true}, []string{everywhere, update, "patch awsiamroles.zalando.org --subresource=status"}, []string{inTeam, webhook, tokens}},
		"without leader election":     {config.Config{}, []string{everywhere}, []string{update}},
		"with a Lease of its own":     {config.Config{LeaderElect: true, LeaderElectName: "x", LeaderElectNamespace: "y"}, []string{"update leases.coordination.k8s.io/x --namespace=y"}, []string{update}},
		"of a namespace":              {config.Config{Namespace: "team", LeaderElect: true}, []string{inTeam, update}, []string{everywhere}},
		"with the webhook":            {config.Config{WebhookListenAddress: ":8443"}, []string{webhook, "update secrets/kube-aws-iam-controller-webhook --namespace=iam"}, nil},
		"with a certificate of yours": {config.Config{WebhookListenAddress: ":8443", WebhookCertFile: "tls.crt"}, nil, []string{webhook}},
		"with protected metrics":      {config.Config{MetricsSecureListenAddress: ":8444"}, []string{tokens}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			names := named(t, tt.config)
			assert.Subset(t, names, tt.has)
			for _, not := range tt.no {
				assert.NotContains(t, names, not)
			}
		})
	}
}

func TestWhatIsInstalledNeedsRights(t *testing.T) {
	objects, err := shipped("prerequisites/*.yaml", "controller/*.yaml", "components/*/*.yaml")
	require.NoError(t, err)
	var names []string
	for _, r := range installing(objects, "iam") {
		names = append(names, r.String())
	}
	assert.Subset(t, names, []string{
		"create customresourcedefinitions.apiextensions.k8s.io", "create deployments.apps --namespace=iam", "patch clusterroles.rbac.authorization.k8s.io",
		"create networkpolicies.networking.k8s.io --namespace=iam", "create mutatingadmissionpolicies.admissionregistration.k8s.io",
		"create validatingadmissionpolicybindings.admissionregistration.k8s.io", "get roles.rbac.authorization.k8s.io --namespace=iam",
	})
}

func TestDeniedRightsKeepTheirOrder(t *testing.T) {
	rights := []right{{verb: "get"}, {verb: "list"}, {verb: "watch"}}
	missing, err := denied(t.Context(), rights, func(_ context.Context, a *authorizationv1.ResourceAttributes) (bool, error) {
		return a.Verb == "list", nil
	})
	require.NoError(t, err)
	assert.Equal(t, []right{{verb: "get"}, {verb: "watch"}}, missing)
	_, err = denied(t.Context(), rights, func(context.Context, *authorizationv1.ResourceAttributes) (bool, error) {
		return false, errors.New("down")
	})
	require.EqualError(t, err, "down")
}

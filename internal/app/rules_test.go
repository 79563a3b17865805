package app

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	metadatafake "k8s.io/client-go/metadata/fake"
	clienttesting "k8s.io/client-go/testing"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/namespaces"
)

func TestOnlyTheRoleThatTheControllerRunsOnIsExemptFromRules(t *testing.T) {
	role := identity.RoleReference{Partition: "aws", Account: account, Name: "app"}
	for name, tc := range map[string]struct {
		restrict                 bool
		own                      bool
		ruleErr, roleErr, ownErr error
		refused                  bool
		err                      error
		asked                    int // whether it is the controller's
	}{
		"no rules":                          {},
		"refused":                           {restrict: true, refused: true, asked: 1},
		"refused, but the controller's own": {restrict: true, own: true, asked: 1},
		"the rules are not known":           {restrict: true, own: true, ruleErr: errBroken, err: errBroken},
		"its own role is not known":         {restrict: true, ownErr: errBroken, err: errBroken, asked: 1},
		"the role is not known":             {restrict: true, own: true, roleErr: errBroken, err: errBroken},
	} {
		t.Run(name, func(t *testing.T) {
			scheme := runtime.NewScheme()
			require.NoError(t, metav1.AddMetaToScheme(scheme))
			client := metadatafake.NewSimpleMetadataClient(scheme, &metav1.PartialObjectMetadata{
				TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"}, ObjectMeta: metav1.ObjectMeta{Name: "ns", UID: "u1"},
			})
			client.PrependReactor("get", "namespaces", func(clienttesting.Action) (bool, runtime.Object, error) {
				return tc.ruleErr != nil, nil, tc.ruleErr
			})
			asked := 0
			r := rules{
				Source: namespaces.NewSource(client, watchedBy(t).rules.informer, namespaces.Config{
					Restrict: tc.restrict,
					Base: func(context.Context) (identity.BaseRole, error) {
						return identity.BaseRole{Partition: "aws", Account: account}, nil
					},
				}),
				runsOn: func(_ context.Context, namespace string, is identity.RoleReference) (bool, error) {
					asked++
					assert.Equal(t, "ns", namespace)
					assert.Equal(t, role, is)
					return tc.own, tc.ownErr
				},
			}
			err := r.Permit(t.Context(), identity.Key{Source: identity.ServiceAccount, Namespace: "ns", Name: "app"},
				func(context.Context) (identity.RoleReference, error) { return role, tc.roleErr })
			switch {
			case tc.refused:
				assert.Equal(t, api.RoleNotPermitted, identity.ReasonOf(err))
			default:
				require.ErrorIs(t, err, tc.err)
			}
			assert.Equal(t, tc.asked, asked)
		})
	}
}

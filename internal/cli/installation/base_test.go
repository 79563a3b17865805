package installation

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/config"
	"kube-aws-iam-controller/internal/identity"
)

func TestBase(t *testing.T) {
	const one, two, made = "arn:aws:iam::111111111111:role/a/x", "arn:aws-cn:iam::222222222222:role/x", "arn:aws:iam::333333333333:role/x"
	first, second, third := identity.BaseRole{Partition: "aws", Account: "111111111111"}, identity.BaseRole{Partition: "aws-cn", Account: "222222222222"},
		identity.BaseRole{Partition: "aws", Account: "333333333333"}
	for name, tc := range map[string]struct {
		cfg         config.Config
		principal   string
		annotations map[string]string
		want        identity.BaseRole
	}{
		"the base ARN":                            {config.Config{BaseRoleARN: "arn:aws:iam::111111111111:role/a/", ControllerRoleARN: two}, two, nil, identity.BaseRole{Partition: "aws", Account: "111111111111", Prefix: "a/"}},
		"the controller's":                        {config.Config{ControllerRoleARN: one, AssumeRole: two}, two, nil, first},
		"what is known of it":                     {config.Config{}, two, map[string]string{api.RoleAnnotation: "x", api.RoleARNAnnotation: made}, second},
		"not the one that it assumes first":       {config.Config{AssumeRole: two}, two, map[string]string{api.RolePolicyAnnotation: "{}", api.RoleARNAnnotation: made}, identity.BaseRole{}},
		"that of a role by name":                  {config.Config{}, "", map[string]string{api.RoleAnnotation: "x", api.RoleARNAnnotation: made}, third},
		"that of a managed role":                  {config.Config{}, "", map[string]string{api.ManagedPoliciesAnnotation: "x", api.RoleARNAnnotation: made}, third},
		"not that of a role by ARN":               {config.Config{}, "", map[string]string{api.RoleAnnotation: " arn:x", api.RoleARNAnnotation: made}, identity.BaseRole{}},
		"nor that of a role for EKS":              {config.Config{}, "", map[string]string{api.IRSAAnnotation: made, api.RoleARNAnnotation: made}, identity.BaseRole{}},
		"nothing is told, by what is no ARN, too": {config.Config{}, "", map[string]string{api.RoleAnnotation: "x", api.RoleARNAnnotation: "x"}, identity.BaseRole{}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Base(tc.cfg, tc.principal, tc.annotations)
			assert.Equal(t, tc.want, got)
			if tc.want == (identity.BaseRole{}) {
				require.ErrorContains(t, err, "with neither --base-role-arn nor --controller-role-arn")
				return
			}
			require.NoError(t, err)
		})
	}
}

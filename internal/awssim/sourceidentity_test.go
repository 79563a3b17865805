package awssim

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSourceIdentityIsPassedOnWhereBothSidesAllowIt(t *testing.T) {
	w := newWorld(t, Options{})
	const may = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:SetSourceIdentity","Resource":"*"}}`
	w.add(RoleSpec{Name: "may", Policies: map[string]string{"p": may}})
	w.add(RoleSpec{Name: "may-not"})
	trusting := func(actions string) string {
		return `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":["arn:aws:iam::` + home + `:role/may","arn:aws:iam::` + home + `:role/may-not"]},"Action":[` + actions + `]}}`
	}
	open := w.add(RoleSpec{Name: "open", Trust: trusting(`"sts:AssumeRole","sts:SetSourceIdentity"`)})
	closed := w.add(RoleSpec{Name: "closed", Trust: trusting(`"sts:AssumeRole"`)})
	for name, tc := range map[string]struct {
		caller, role, set string
		want              bool
	}{
		"both sides":         {"may", open, "", true},
		"not the role":       {"may", closed, "", false},
		"not the caller":     {"may-not", open, "", false},
		"the same once more": {"may", open, "controller", true},
		"another":            {"may", open, "somebody", false},
	} {
		t.Run(name, func(t *testing.T) {
			creds, err := w.RolesAnywhereCredentials(home, tc.caller, "controller", time.Hour)
			require.NoError(t, err)
			out, err := w.assume(creds, tc.role, func(in *sts.AssumeRoleInput) {
				if tc.set != "" {
					in.SourceIdentity = &tc.set
				}
			})
			if !tc.want {
				refused(t, err, "AccessDenied", "is not authorized to perform: sts:SetSourceIdentity on resource: "+tc.role)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, "controller", aws.ToString(out.SourceIdentity))
		})
	}
	_, err := w.assume(w.session("may"), closed)
	require.NoError(t, err, "a session without one needs no such permission")
}

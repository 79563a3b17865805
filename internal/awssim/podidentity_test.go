package awssim

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// podIdentity returns credentials of EKS Pod Identity for the role controller.
func (w *world) podIdentity(disabled bool) aws.Credentials {
	w.t.Helper()
	creds, err := w.PodIdentityCredentials(PodIdentity{
		Account: home, Role: "controller", Cluster: "cluster", Namespace: "kube-system", ServiceAccount: "controller",
		Pod: "controller-0", UID: "4f3e", Lifetime: time.Hour, DisableSessionTags: disabled,
	})
	require.NoError(w.t, err)
	return creds
}

// trustIf returns a trust policy that allows the role controller to assume the role under a condition, and to tag sessions.
func trustIf(assume string) string {
	me := `{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + home + `:role/controller"},"Action":`
	return `{"Version":"2012-10-17","Statement":[` + me + `"sts:AssumeRole"` + assume + `},` + me + `"sts:TagSession"}]}`
}

func TestPodIdentityTagsArePrincipalTags(t *testing.T) {
	w := newWorld(t, Options{})
	w.add(RoleSpec{Name: "controller", Tags: map[string]string{"KUBERNETES-NAMESPACE": "of the role", "team": "of the role"}})
	on, off := w.podIdentity(false), w.podIdentity(true)
	for name, tc := range map[string]struct {
		trust            string
		tagged, untagged bool
	}{
		"no condition":                 {trustIf(""), true, true},
		"session tag over role tag":    {trustIf(`,"Condition":{"StringEquals":{"aws:PrincipalTag/Kubernetes-Namespace":"kube-system"}}`), true, false},
		"role tag without session tag": {trustIf(`,"Condition":{"StringEquals":{"aws:PrincipalTag/kubernetes-namespace":"of the role"}}`), false, true},
		"role tag only":                {trustIf(`,"Condition":{"StringEquals":{"aws:PrincipalTag/team":"of the role"}}`), true, true},
		"Null":                         {trustIf(`,"Condition":{"Null":{"aws:PrincipalTag/kubernetes-pod-uid":"true"}}`), false, true},
		"Null of a role tag":           {trustIf(`,"Condition":{"Null":{"aws:PrincipalTag/kubernetes-namespace":"true"}}`), false, false},
	} {
		t.Run(name, func(t *testing.T) {
			arn := w.add(RoleSpec{Name: "app", Trust: tc.trust})
			assert.Equal(t, tc.tagged, w.trusted(on, arn), "with session tags")
			assert.Equal(t, tc.untagged, w.trusted(off, arn), "with session tags disabled")
		})
	}
}

func TestInheritedTagsNeedTagSession(t *testing.T) {
	w := newWorld(t, Options{})
	controller := w.add(RoleSpec{Name: "controller"})
	arn := w.add(RoleSpec{Name: "app", Trust: `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"` + controller + `"},"Action":"sts:AssumeRole"}}`})
	_, err := w.assume(w.podIdentity(false), arn)
	refused(t, err, "AccessDenied", "is not authorized to perform: sts:TagSession on resource: "+arn)
	_, err = w.assume(w.podIdentity(true), arn)
	require.NoError(t, err)
}

func TestTransitiveTagsCannotBeOverridden(t *testing.T) {
	w := newWorld(t, Options{})
	w.add(RoleSpec{Name: "controller"})
	arn := w.add(RoleSpec{Name: "app", Trust: trustIf("")})
	tagging := func(keys ...string) func(*sts.AssumeRoleInput) {
		return func(in *sts.AssumeRoleInput) {
			for _, key := range keys {
				in.Tags = append(in.Tags, types.Tag{Key: new(key), Value: new("x")})
			}
		}
	}
	for _, key := range []string{"eks-cluster-arn", "eks-cluster-name", "kubernetes-namespace", "Kubernetes-Service-Account", "kubernetes-pod-name", "KUBERNETES-POD-UID"} {
		_, err := w.assume(w.podIdentity(false), arn, tagging("other", key))
		refused(t, err, "InvalidParameterValue", "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session.")
		_, err = w.assume(w.podIdentity(true), arn, tagging("other", key))
		require.NoError(t, err)
	}
	_, err := w.assume(w.podIdentity(false), arn, tagging("kubernetes-cluster"))
	require.NoError(t, err, "Pod Identity sets no such tag")
	_, err = w.assume(w.podIdentity(true), arn, func(in *sts.AssumeRoleInput) { in.TransitiveTagKeys = []string{"none"} })
	refused(t, err, "InvalidParameterValue", "must be included in the requested tags")
}

func TestTransitiveTagsOverrideRoleTags(t *testing.T) {
	w := newWorld(t, Options{})
	w.add(RoleSpec{Name: "controller"})
	arn := w.add(RoleSpec{
		Name: "app", Trust: trustIf(""), Tags: map[string]string{"kubernetes-namespace": "tenant", "team": "a"},
		Policies: map[string]string{"get": `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:GetRole","Resource":"*",
			"Condition":{"StringEquals":{"aws:PrincipalTag/KUBERNETES-namespace":"tenant","aws:PrincipalTag/team":"a"}}}}`},
	})
	for _, disabled := range []bool{false, true} {
		out, err := w.assume(w.podIdentity(disabled), arn)
		require.NoError(t, err)
		creds := aws.Credentials{
			AccessKeyID: *out.Credentials.AccessKeyId, SecretAccessKey: *out.Credentials.SecretAccessKey, SessionToken: *out.Credentials.SessionToken,
		}
		_, err = w.iamAs(creds).GetRole(t.Context(), &iam.GetRoleInput{RoleName: new("app")})
		if disabled {
			require.NoError(t, err, "the tags of the role apply")
			continue
		}
		refused(t, err, "AccessDenied", "iam:GetRole")
	}
}

package iamprovision

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/go-kit/log"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/awssim"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/trust"
)

// withClusterUID sets the UID of the controller's cluster.
func withClusterUID(uid string) func(*Options) {
	return func(o *Options) { o.ClusterUID = func(context.Context) (string, error) { return uid, nil } }
}

func withLogger(to *bytes.Buffer) func(*Options) {
	return func(o *Options) { o.Logger = log.NewLogfmtLogger(log.NewSyncWriter(to)) }
}

func TestSecondClusterOfTheSameNameCreatesNothing(t *testing.T) {
	w := newWorld(t)
	first := w.provisioner(withClusterUID("uid-1"))
	w.ensure(first, desired(policyA), "")
	before := w.state(RoleName("prod", app))
	assert.Equal(t, "uid-1", before.tags[api.ClusterUIDTag])

	var logged bytes.Buffer
	second := w.provisioner(withClusterUID("uid-2"), withLogger(&logged))
	seen := len(w.Calls())
	for range 3 {
		_, err := second.Ensure(t.Context(), desiredNumber(ns, 1), "")
		for _, says := range []string{"another cluster of the name prod", "uid-1", "uid-2", "--cluster-name", "--adopt-roles-of-cluster-uid=uid-1"} {
			requireError(t, err, api.RoleNotOwned, says)
		}
	}
	assert.Equal(t, []string{"ListRoles", "GetRole"}, w.calls(&seen), "it is asked once")
	assert.Contains(t, logged.String(), "no roles are created")

	// Of the same ServiceAccount, in whichever way.
	_, err := second.Ensure(t.Context(), desired(policyB), "")
	requireError(t, err, api.RoleNotOwned, "another cluster of this one's name")
	_, err = second.Differs(t.Context(), desired(policyB), "")
	requireError(t, err, api.RoleNotOwned, "uid-1")
	_, err = second.Delete(t.Context(), app, "")
	requireError(t, err, api.RoleNotOwned, "uid-1")
	_, err = second.Retain(t.Context(), app, "")
	requireError(t, err, api.RoleNotOwned, "uid-1")
	found, err := w.sweep(second)
	require.NoError(t, err)
	assert.Empty(t, found, "another cluster's are no orphans")
	assert.Contains(t, logged.String(), "is left alone")
	assert.Equal(t, before, w.state(RoleName("prod", app)))

	w.ensure(first, desiredNumber(ns, 1), "")
	found, err = w.sweep(first, desiredNumber(ns, 1).Key)
	require.NoError(t, err)
	assert.Len(t, found, 1, "its own are")
	w.ensure(w.provisioner(withClusterUID("uid-1")), desiredNumber(ns, 2), "") // after a restart
}

func TestAdoptionOfAnotherClustersRoles(t *testing.T) {
	w := newWorld(t)
	first := w.provisioner(withClusterUID("uid-1"))
	role := w.ensure(first, desired(policyA), "")
	w.ensure(first, desiredNumber(ns, 1), "")

	second := w.provisioner(withClusterUID("uid-2"), func(o *Options) { o.AdoptUID = "uid-1" })
	found, err := w.sweep(second)
	require.NoError(t, err)
	assert.Empty(t, found, "what is not restored yet is no orphan")
	got := w.ensure(second, desired(policyA), "")
	assert.Equal(t, role.ID, got.ID)
	assert.Equal(t, []string{identity.ClusterUIDKind}, got.Changed)
	assert.Equal(t, "uid-2", w.state(RoleName("prod", app)).tags[api.ClusterUIDTag])
	w.ensure(second, desiredNumber(ns, 2), "")

	// Without the flag from then on, and the cluster before is the other one.
	w.ensure(w.provisioner(withClusterUID("uid-2")), desiredNumber(ns, 3), "")
	_, err = first.Delete(t.Context(), app, "")
	requireError(t, err, api.RoleNotOwned, "uid-2")
}

func TestRolesWithoutClusterUIDGetTheTag(t *testing.T) {
	w := newWorld(t)
	role := w.ensure(w.provisioner(), desired(policyA), "")
	assert.NotContains(t, w.state(RoleName("prod", app)).tags, api.ClusterUIDTag)
	p := w.provisioner(withClusterUID("uid-1"))
	looked, err := p.Differs(t.Context(), desired(policyA), role.ID)
	require.NoError(t, err)
	assert.Equal(t, []string{identity.ClusterUIDKind}, looked.Changed)
	seen := len(w.Calls())
	got := w.ensure(p, desired(policyA), role.ID)
	assert.Equal(t, []string{identity.ClusterUIDKind}, got.Changed)
	assert.Equal(t, []string{"GetRole", "TagRole", "ListAttachedRolePolicies", "ListRolePolicies", "GetRolePolicy"}, w.calls(&seen))
	assert.Equal(t, "uid-1", w.state(RoleName("prod", app)).tags[api.ClusterUIDTag])
	looked, err = p.Differs(t.Context(), desired(policyA), role.ID)
	require.NoError(t, err)
	assert.Empty(t, looked.Changed)
	w.ensure(p, desiredNumber(ns, 1), "")

	found, err := w.sweep(w.provisioner(), app)
	require.NoError(t, err)
	assert.Len(t, found, 1, "whoever does not know its UID goes by the name")
}

func TestRetainedRoleStaysWithItsCluster(t *testing.T) {
	w := newWorld(t)
	w.ensure(w.provisioner(), desired(policyA), "")
	_, err := w.provisioner(withClusterUID("uid-1")).Retain(t.Context(), app, "")
	require.NoError(t, err)
	tags := w.state(RoleName("prod", app)).tags
	assert.Equal(t, "uid-1", tags[api.ClusterUIDTag])
	assert.Equal(t, "true", tags[api.RetainedTag])
	_, err = w.provisioner(withClusterUID("uid-2")).Ensure(t.Context(), desired(policyA), "")
	requireError(t, err, api.RoleNotOwned, "uid-1")
}

func TestNothingIsCreatedWhileTheClusterUIDIsUnknown(t *testing.T) {
	w := newWorld(t)
	lost := errors.New("the API server is away")
	p := w.provisioner(func(o *Options) { o.ClusterUID = func(context.Context) (string, error) { return "", lost } })
	seen := len(w.Calls())
	_, err := p.Ensure(t.Context(), desired(policyA), "")
	requireError(t, err, api.ProvisionFailed, "the API server is away")
	_, err = p.Delete(t.Context(), app, "")
	require.NoError(t, err, "there is none")
	_, err = w.sweep(p)
	require.ErrorIs(t, err, lost)
	assert.Equal(t, []string{"GetRole"}, w.calls(&seen))
	w.ensure(w.provisioner(withClusterUID("uid-1")), desired(policyA), "")
	_, err = p.Delete(t.Context(), app, "")
	requireError(t, err, api.ProvisionFailed, "the API server is away")

	other := w.provisioner(withClusterUID("uid-1"))
	w.Set(awssim.Settings{Faults: &[]awssim.Fault{{Action: "GetRole", Code: "ServiceFailure", Times: 1}}})
	_, err = other.Ensure(t.Context(), desiredNumber(ns, 1), "")
	requireError(t, err, api.ProvisionFailed, "a role under /kube-aws-iam-controller/prod/")
	w.missing(RoleName("prod", desiredNumber(ns, 1).Key))
	w.ensure(other, desiredNumber(ns, 1), "")
}

func TestChangedTrustOfARetainedRoleIsLogged(t *testing.T) {
	w := newWorld(t)
	var logged bytes.Buffer
	p := w.provisioner(withLogger(&logged))
	for i := range 2 {
		w.ensure(p, desiredNumber(ns, i), "")
		_, err := p.Retain(t.Context(), desiredNumber(ns, i).Key, "")
		require.NoError(t, err)
	}
	before, err := trust.Policy(w.controller, "team/prod", "") // as earlier versions wrote it
	require.NoError(t, err)
	_, err = w.admin.UpdateAssumeRolePolicy(t.Context(), &iam.UpdateAssumeRolePolicyInput{RoleName: new(RoleName("prod", desiredNumber(ns, 0).Key)), PolicyDocument: &before})
	require.NoError(t, err)
	_, err = w.sweep(p)
	require.NoError(t, err)
	assert.Empty(t, logged.String())
	name := RoleName("prod", desiredNumber(ns, 1).Key)
	_, err = w.admin.UpdateAssumeRolePolicy(t.Context(), &iam.UpdateAssumeRolePolicyInput{
		RoleName: &name, PolicyDocument: new(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}`),
	})
	require.NoError(t, err)
	seen := w.state(name)
	found, err := w.sweep(p)
	require.NoError(t, err)
	assert.Empty(t, found)
	assert.Contains(t, logged.String(), "does not have the trust policy that it was given")
	assert.Contains(t, logged.String(), name)
	assert.NotContains(t, logged.String(), RoleName("prod", desiredNumber(ns, 0).Key))
	assert.Equal(t, seen, w.state(name), "it is only said")
}

func TestUnreadableRolesDoNotTellTheCluster(t *testing.T) {
	w := newWorld(t)
	w.ensure(w.provisioner(withClusterUID("uid-1")), desired(policyA), "")
	w.Set(awssim.Settings{Faults: &[]awssim.Fault{{Action: "GetRole", Code: "AccessDenied", Times: 1}}})
	seen := len(w.Calls())
	w.ensure(w.provisioner(withClusterUID("uid-2")), desiredNumber(ns, 1), "")
	assert.Equal(t, []string{"ListRoles", "GetRole", "CreateRole", "PutRolePolicy"}, w.calls(&seen))
}

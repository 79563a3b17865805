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

// of are the options of a controller in the cluster with a UID.
func of(uid string) func(*Options) {
	return func(o *Options) { o.ClusterUID = func(context.Context) (string, error) { return uid, nil } }
}

func logging(to *bytes.Buffer) func(*Options) {
	return func(o *Options) { o.Logger = log.NewLogfmtLogger(log.NewSyncWriter(to)) }
}

func TestSecondClusterOfTheSameNameCreatesNothing(t *testing.T) {
	w := newWorld(t)
	first := w.provisioner(of("uid-1"))
	w.made(first, wanted(policyA), "")
	before := w.look(roleName("prod", app))
	assert.Equal(t, "uid-1", before.tags[api.ClusterUIDTag])

	var logged bytes.Buffer
	second := w.provisioner(of("uid-2"), logging(&logged))
	seen := len(w.Calls())
	for range 3 {
		_, err := second.Ensure(t.Context(), numbered(ns, 1), "")
		for _, says := range []string{"another cluster of the name prod", "uid-1", "uid-2", "--cluster-name", "--adopt-roles-of-cluster-uid=uid-1"} {
			refused(t, err, api.RoleNotOwned, says)
		}
	}
	assert.Equal(t, []string{"ListRoles", "GetRole"}, w.calls(&seen), "it is asked once")
	assert.Contains(t, logged.String(), "no roles are made")

	// Of the same ServiceAccount, in whichever way.
	_, err := second.Ensure(t.Context(), wanted(policyB), "")
	refused(t, err, api.RoleNotOwned, "another cluster of this one's name")
	_, err = second.Differs(t.Context(), wanted(policyB), "")
	refused(t, err, api.RoleNotOwned, "uid-1")
	_, err = second.Delete(t.Context(), app, "")
	refused(t, err, api.RoleNotOwned, "uid-1")
	_, err = second.Retain(t.Context(), app, "")
	refused(t, err, api.RoleNotOwned, "uid-1")
	found, err := w.sweep(second)
	require.NoError(t, err)
	assert.Empty(t, found, "another cluster's are no orphans")
	assert.Contains(t, logged.String(), "is left alone")
	assert.Equal(t, before, w.look(roleName("prod", app)))

	w.made(first, numbered(ns, 1), "")
	found, err = w.sweep(first, numbered(ns, 1).Key)
	require.NoError(t, err)
	assert.Len(t, found, 1, "its own are")
	w.made(w.provisioner(of("uid-1")), numbered(ns, 2), "") // after a restart
}

func TestAdoptionOfAnotherClustersRoles(t *testing.T) {
	w := newWorld(t)
	first := w.provisioner(of("uid-1"))
	role := w.made(first, wanted(policyA), "")
	w.made(first, numbered(ns, 1), "")

	second := w.provisioner(of("uid-2"), func(o *Options) { o.AdoptUID = "uid-1" })
	found, err := w.sweep(second)
	require.NoError(t, err)
	assert.Empty(t, found, "what is not restored yet is no orphan")
	got := w.made(second, wanted(policyA), "")
	assert.Equal(t, role.ID, got.ID)
	assert.Equal(t, []string{identity.ClusterUIDKind}, got.Changed)
	assert.Equal(t, "uid-2", w.look(roleName("prod", app)).tags[api.ClusterUIDTag])
	w.made(second, numbered(ns, 2), "")

	// Without the flag from then on, and the cluster before is the other one.
	w.made(w.provisioner(of("uid-2")), numbered(ns, 3), "")
	_, err = first.Delete(t.Context(), app, "")
	refused(t, err, api.RoleNotOwned, "uid-2")
}

func TestRolesWithoutClusterUIDGetTheTag(t *testing.T) {
	w := newWorld(t)
	role := w.made(w.provisioner(), wanted(policyA), "")
	assert.NotContains(t, w.look(roleName("prod", app)).tags, api.ClusterUIDTag)
	p := w.provisioner(of("uid-1"))
	looked, err := p.Differs(t.Context(), wanted(policyA), role.ID)
	require.NoError(t, err)
	assert.Equal(t, []string{identity.ClusterUIDKind}, looked.Changed)
	seen := len(w.Calls())
	got := w.made(p, wanted(policyA), role.ID)
	assert.Equal(t, []string{identity.ClusterUIDKind}, got.Changed)
	assert.Equal(t, []string{"GetRole", "TagRole", "ListAttachedRolePolicies", "ListRolePolicies", "GetRolePolicy"}, w.calls(&seen))
	assert.Equal(t, "uid-1", w.look(roleName("prod", app)).tags[api.ClusterUIDTag])
	looked, err = p.Differs(t.Context(), wanted(policyA), role.ID)
	require.NoError(t, err)
	assert.Empty(t, looked.Changed)
	w.made(p, numbered(ns, 1), "")

	found, err := w.sweep(w.provisioner(), app)
	require.NoError(t, err)
	assert.Len(t, found, 1, "whoever does not know its UID goes by the name")
}

func TestRetainedRoleStaysWithItsCluster(t *testing.T) {
	w := newWorld(t)
	w.made(w.provisioner(), wanted(policyA), "")
	_, err := w.provisioner(of("uid-1")).Retain(t.Context(), app, "")
	require.NoError(t, err)
	tags := w.look(roleName("prod", app)).tags
	assert.Equal(t, "uid-1", tags[api.ClusterUIDTag])
	assert.Equal(t, "true", tags[api.RetainedTag])
	_, err = w.provisioner(of("uid-2")).Ensure(t.Context(), wanted(policyA), "")
	refused(t, err, api.RoleNotOwned, "uid-1")
}

func TestNothingIsCreatedWhileTheClusterUIDIsUnknown(t *testing.T) {
	w := newWorld(t)
	lost := errors.New("the API server is away")
	p := w.provisioner(func(o *Options) { o.ClusterUID = func(context.Context) (string, error) { return "", lost } })
	seen := len(w.Calls())
	_, err := p.Ensure(t.Context(), wanted(policyA), "")
	refused(t, err, api.ProvisionFailed, "the API server is away")
	_, err = p.Delete(t.Context(), app, "")
	require.NoError(t, err, "there is none")
	_, err = w.sweep(p)
	require.ErrorIs(t, err, lost)
	assert.Equal(t, []string{"GetRole"}, w.calls(&seen))
	w.made(w.provisioner(of("uid-1")), wanted(policyA), "")
	_, err = p.Delete(t.Context(), app, "")
	refused(t, err, api.ProvisionFailed, "the API server is away")

	other := w.provisioner(of("uid-1"))
	w.Set(awssim.Settings{Faults: &[]awssim.Fault{{Action: "GetRole", Code: "ServiceFailure", Times: 1}}})
	_, err = other.Ensure(t.Context(), numbered(ns, 1), "")
	refused(t, err, api.ProvisionFailed, "a role under /kube-aws-iam-controller/prod/")
	w.missing(roleName("prod", numbered(ns, 1).Key))
	w.made(other, numbered(ns, 1), "")
}

func TestChangedTrustOfARetainedRoleIsLogged(t *testing.T) {
	w := newWorld(t)
	var logged bytes.Buffer
	p := w.provisioner(logging(&logged))
	for i := range 2 {
		w.made(p, numbered(ns, i), "")
		_, err := p.Retain(t.Context(), numbered(ns, i).Key, "")
		require.NoError(t, err)
	}
	before, err := trust.Policy(w.controller, "team/prod", "") // as versions before gave it
	require.NoError(t, err)
	_, err = w.admin.UpdateAssumeRolePolicy(t.Context(), &iam.UpdateAssumeRolePolicyInput{RoleName: new(roleName("prod", numbered(ns, 0).Key)), PolicyDocument: &before})
	require.NoError(t, err)
	_, err = w.sweep(p)
	require.NoError(t, err)
	assert.Empty(t, logged.String())
	name := roleName("prod", numbered(ns, 1).Key)
	_, err = w.admin.UpdateAssumeRolePolicy(t.Context(), &iam.UpdateAssumeRolePolicyInput{
		RoleName: &name, PolicyDocument: new(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}`),
	})
	require.NoError(t, err)
	seen := w.look(name)
	found, err := w.sweep(p)
	require.NoError(t, err)
	assert.Empty(t, found)
	assert.Contains(t, logged.String(), "does not have the trust policy that it was given")
	assert.Contains(t, logged.String(), name)
	assert.NotContains(t, logged.String(), roleName("prod", numbered(ns, 0).Key))
	assert.Equal(t, seen, w.look(name), "it is only said")
}

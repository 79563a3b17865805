package iamprovision

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/awssim"
	"kube-aws-iam-controller/internal/identity"
)

// sweep returns what a sweep finds besides the roles of owners.
func (w *world) sweep(p *Provisioner, owners ...identity.Key) (map[identity.Key]string, error) {
	w.t.Helper()
	found := map[identity.Key]string{}
	err := p.Sweep(w.t.Context(), slices.Values(owners), func(key identity.Key, id string) { found[key] = id })
	return found, err
}

func TestSweepFindsOrphans(t *testing.T) {
	w := newWorld(t)
	p := w.provisioner()
	ids := map[identity.Key]string{}
	for i := range 3 {
		want := desired(policyA)
		want.Name = fmt.Sprintf("app-%d", i)
		ids[want.Key] = w.ensure(p, want, "").ID
	}
	owner := identity.Key{Source: identity.ServiceAccount, Namespace: ns, Name: "app-1"}
	seen := len(w.Calls())
	found, err := w.sweep(p, owner)
	require.NoError(t, err)
	delete(ids, owner)
	assert.Equal(t, ids, found)
	assert.Equal(t, []string{"ListRoles", "ListRoles", "ListRoles", "GetRole", "GetRole"}, w.calls(&seen), "an owner's role costs no read")
}

func TestSweepSkipsForeignAndRetainedRoles(t *testing.T) {
	w := newWorld(t)
	p := w.provisioner()
	retained := desired(policyA)
	retained.Name = "retained"
	w.ensure(p, retained, "")
	_, err := p.Retain(t.Context(), retained.Key, "")
	require.NoError(t, err)
	// A role of another cluster under the same path, one that somebody else created, and one with copied tags.
	other := w.provisioner(func(o *Options) { o.ClusterName, o.Path = "dev", p.Path })
	w.ensure(other, desired(policyA), "")
	const trusting = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}`
	for name, tags := range map[string]map[string]string{"untagged": nil, "copied": ownerTags("prod", app)} {
		_, err = w.admin.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: &name, Path: &p.Path, AssumeRolePolicyDocument: new(trusting), Tags: toTags(tags)})
		require.NoError(t, err)
	}
	found, err := w.sweep(p)
	require.NoError(t, err)
	assert.Empty(t, found)
	found, err = w.sweep(other)
	require.NoError(t, err)
	assert.Len(t, found, 1)
}

func TestSweepContinuesAfterAnError(t *testing.T) {
	w := newWorld(t)
	p := w.provisioner()
	for i := range 3 {
		want := desired(policyA)
		want.Name = fmt.Sprintf("app-%d", i)
		w.ensure(p, want, "")
	}
	w.Set(awssim.Settings{Faults: &[]awssim.Fault{{Action: "GetRole", Code: "AccessDenied", Times: 1}}})
	found, err := w.sweep(p)
	require.ErrorContains(t, err, "AccessDenied")
	assert.Len(t, found, 2)
	w.Set(awssim.Settings{Faults: &[]awssim.Fault{{Action: "ListRoles", Code: "AccessDenied", Times: 1}}})
	found, err = w.sweep(p)
	require.ErrorContains(t, err, "AccessDenied")
	assert.Empty(t, found, "a list that broke off finds nothing")
}

func TestSweepIgnoresConcurrentDeletions(t *testing.T) {
	w := newWorld(t)
	p := w.provisioner()
	w.ensure(p, desired(policyA), "")
	w.Set(awssim.Settings{Faults: &[]awssim.Fault{{Action: "GetRole", Code: "NoSuchEntity", Status: 404, Times: 1}}})
	found, err := w.sweep(p)
	require.NoError(t, err)
	assert.Empty(t, found)
}

// Tags hold slashes and dots, names of roles the first 53 characters of them.
func TestSweepSkipsInvalidNames(t *testing.T) {
	w := newWorld(t)
	p := w.provisioner()
	for _, name := range []string{strings.Repeat("m", 60) + "/../../secrets/app", "..", ".", "", "App", strings.Repeat("a", 254)} {
		key := identity.Key{Source: identity.ServiceAccount, Namespace: "team", Name: name}
		_, err := w.admin.CreateRole(t.Context(), &iam.CreateRoleInput{
			RoleName: new(RoleName("prod", key)), Path: &p.Path, Tags: toTags(ownerTags("prod", key)),
			AssumeRolePolicyDocument: new(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}`),
		})
		require.NoError(t, err, name)
	}
	found, err := w.sweep(p)
	require.NoError(t, err)
	assert.Empty(t, found)
}

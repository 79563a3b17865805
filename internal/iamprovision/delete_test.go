package iamprovision

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/awssim"
	"kube-aws-iam-controller/internal/identity"
)

// loaded makes a role that has everything that is in the way of its deletion, several times.
func (w *world) loaded(p *Provisioner) identity.Role {
	w.t.Helper()
	role := w.made(p, wanted(policyA, w.managed, w.other), "")
	for _, policy := range []string{"more", "most"} {
		_, err := w.admin.PutRolePolicy(w.t.Context(), &iam.PutRolePolicyInput{RoleName: &role.ARN.Name, PolicyName: &policy, PolicyDocument: new(policyB)})
		require.NoError(w.t, err)
	}
	w.AddInstanceProfile(home, "kube-aws-iam-controller/one", role.ARN.Name)
	w.AddInstanceProfile(home, "kube-aws-iam-controller/two", role.ARN.Name)
	return role
}

func TestDeleteRemovesDependencies(t *testing.T) {
	w := newWorld(t)
	p := w.provisioner()
	role := w.loaded(p)
	deleted, err := p.Delete(t.Context(), app, role.ID)
	require.NoError(t, err)
	assert.True(t, deleted)
	w.missing(role.ARN.Name)
	deleted, err = p.Delete(t.Context(), app, role.ID)
	require.NoError(t, err, "gone is gone")
	assert.False(t, deleted)
}

func TestDeleteResumes(t *testing.T) {
	for _, action := range []string{
		"GetRole", "ListAttachedRolePolicies", "DetachRolePolicy", "ListRolePolicies", "DeleteRolePolicy", "ListInstanceProfilesForRole", "RemoveRoleFromInstanceProfile", "DeleteRole",
	} {
		for _, drop := range []bool{false, true} {
			t.Run(action, func(t *testing.T) {
				w := newWorld(t)
				p := w.provisioner()
				role := w.loaded(p)
				fault := awssim.Fault{Action: action, Code: "Throttling", Times: 1}
				if drop {
					fault = awssim.Fault{Action: action, Drop: true, Times: 1}
				}
				w.Set(awssim.Settings{Faults: &[]awssim.Fault{fault}})
				_, err := p.Delete(t.Context(), app, role.ID)
				refused(t, err, api.ProvisionFailed, role.ARN.Name)
				_, err = p.Delete(t.Context(), app, role.ID)
				require.NoError(t, err)
				w.missing(role.ARN.Name)
			})
		}
	}
}

// The statement that allows it is not in the shipped policy, or is for some profiles.
func TestDeleteRemovesPoliciesBeforeInstanceProfiles(t *testing.T) {
	w := newWorld(t)
	p := w.provisioner()
	role := w.made(p, wanted(policyA, w.managed), "")
	w.AddInstanceProfile(home, "foreign", role.ARN.Name)
	_, err := p.Delete(t.Context(), app, role.ID)
	refused(t, err, api.ProvisionFailed, "instance-profile/foreign because")
	refused(t, err, api.ProvisionFailed, "take it out, or have the administrator of the controller allow it to, by the statement LeaveInstanceProfiles")
	var step *identity.StepError
	require.ErrorAs(t, err, &step)
	assert.False(t, step.Soon, "it does not mend itself")
	left := w.look(role.ARN.Name)
	assert.Empty(t, left.inline)
	assert.Empty(t, left.attached)
	_, err = w.admin.RemoveRoleFromInstanceProfile(t.Context(), &iam.RemoveRoleFromInstanceProfileInput{RoleName: &role.ARN.Name, InstanceProfileName: new("foreign")})
	require.NoError(t, err)
	there, err := p.Delete(t.Context(), app, role.ID)
	require.NoError(t, err)
	assert.True(t, there)
}

func TestEnsureReclaimsARetainedRole(t *testing.T) {
	w := newWorld(t)
	p := w.provisioner()
	role := w.made(p, wanted(policyA), "")
	kept, err := p.Retain(t.Context(), app, role.ID)
	require.NoError(t, err)
	assert.True(t, kept)
	assert.Equal(t, "true", w.look(role.ARN.Name).tags["retained"])
	again := w.made(p, wanted(policyA), "")
	assert.Equal(t, role.ID, again.ID)
	assert.Equal(t, tagsOfApp, w.look(role.ARN.Name).tags)
}

func TestRoleNamesAreUnique(t *testing.T) {
	seen := map[string]identity.Key{}
	for _, cluster := range []string{"a", "b", "prod", strings.Repeat("c", 100)} {
		for _, key := range []identity.Key{
			{Namespace: "a", Name: "b-c"}, {Namespace: "a-b", Name: "c"}, {Namespace: "a", Name: "b.c"}, {Namespace: "a.b", Name: "c"},
			{Namespace: strings.Repeat("n", 63), Name: strings.Repeat("x", 245)}, {Namespace: strings.Repeat("n", 63), Name: strings.Repeat("x", 244) + "y"},
			{Namespace: "n", Name: strings.Repeat("x", 64)}, {Namespace: "n", Name: strings.Repeat("x", 65)},
		} {
			name := roleName(cluster, key)
			assert.Regexp(t, `^[\w+=,.@-]{12,64}$`, name)
			other, taken := seen[strings.ToLower(name)]
			assert.Falsef(t, taken, "%s and %s share %s", key, other, name)
			seen[strings.ToLower(name)] = key
		}
	}
	assert.Equal(t, "team.app-", roleName("prod", app)[:9])
}

func TestTombstoneHidesADeletedRole(t *testing.T) {
	w := newWorld(t)
	p := w.provisioner()
	first := w.made(p, wanted(policyA), "")
	w.late = time.Minute
	w.Set(awssim.Settings{Propagation: new(awssim.Duration(8 * time.Second))})
	_, err := p.Delete(t.Context(), app, first.ID)
	require.NoError(t, err)
	there, err := p.Delete(t.Context(), app, "")
	require.NoError(t, err)
	assert.False(t, there, "it is deleted")
	w.Set(awssim.Settings{Faults: &[]awssim.Fault{{Action: "CreateRole", Drop: true, Times: 1}}})
	_, err = p.Ensure(t.Context(), wanted(policyA), "")
	refused(t, err, api.ProvisionFailed, "did not answer CreateRole")
	_, err = p.Ensure(t.Context(), wanted(policyA), "") // that it exists is known, and the one before is shown
	refused(t, err, api.ProvisionFailed, "cannot be seen yet")
	w.late += 9 * time.Second
	second := w.made(p, wanted(policyA), "")
	assert.NotEqual(t, first.ID, second.ID)
}

func TestClustersInOneAccountAreSeparate(t *testing.T) {
	w := newWorld(t)
	prod, dev := w.provisioner(), w.provisioner(func(o *Options) { o.ClusterName = "dev" })
	first := w.made(prod, wanted(policyA), "")
	want := wanted(policyB)
	want.ExternalID = "team/dev"
	second := w.made(dev, want, "")
	assert.NotEqual(t, first.ARN, second.ARN)
	there, err := dev.Delete(t.Context(), app, "")
	require.NoError(t, err)
	assert.True(t, there)
	w.missing(second.ARN.Name)
	assert.JSONEq(t, policyA, w.look(first.ARN.Name).inline[policyName])
}

func TestLongestNames(t *testing.T) {
	w := newWorld(t)
	cluster := strings.Repeat("c", 100)
	p := w.provisioner(func(o *Options) { o.ClusterName = cluster })
	want := wanted(policyA)
	want.Namespace, want.Name = strings.Repeat("n", 63), strings.Repeat("x", 245)
	want.ExternalID = want.Namespace + "/" + cluster
	role := w.made(p, want, "")
	got := w.look(role.ARN.Name)
	assert.Equal(t, want.Name, got.tags["kubernetes-service-account"])
	assert.Contains(t, got.trust, want.ExternalID)
	there, err := p.Delete(t.Context(), want.Key, role.ID)
	require.NoError(t, err)
	assert.True(t, there)
}

// Namespaces that begin with the same 53 characters and names that were searched for can have roles of one name: the hash in
// it has 40 bits. The tags tell whose a role is.
func TestNameCollisionChangesNothing(t *testing.T) {
	w := newWorld(t)
	p := w.provisioner()
	victim, thief := wanted(policyA, w.managed), wanted(policyB)
	victim.Namespace, victim.Name = strings.Repeat("n", 53)+"a", "1217875"
	thief.Namespace, thief.Name = strings.Repeat("n", 53)+"b", "295283"
	require.Equal(t, roleName("prod", victim.Key), roleName("prod", thief.Key))
	first := w.made(p, victim, "")
	before := w.look(first.ARN.Name)
	for _, id := range []string{"", first.ID} {
		_, err := p.Ensure(t.Context(), thief, id)
		refused(t, err, api.RoleNotOwned, "its tags do not say so")
		_, err = p.Delete(t.Context(), thief.Key, id)
		refused(t, err, api.RoleNotOwned, "its tags do not say so")
		_, err = p.Retain(t.Context(), thief.Key, id)
		refused(t, err, api.RoleNotOwned, "its tags do not say so")
	}
	assert.Equal(t, before, w.look(first.ARN.Name))
	assert.Empty(t, w.made(p, victim, first.ID).Changed)
}

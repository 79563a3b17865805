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

// createWithDependencies creates a role with several of everything that prevents
// its deletion.
func (w *world) createWithDependencies(p *Provisioner) identity.Role {
	w.t.Helper()
	role := w.ensure(p, desired(policyA, w.managed, w.other), "")
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
	role := w.createWithDependencies(p)
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
				role := w.createWithDependencies(p)
				fault := awssim.Fault{Action: action, Code: "Throttling", Times: 1}
				if drop {
					fault = awssim.Fault{Action: action, Drop: true, Times: 1}
				}
				w.Set(awssim.Settings{Faults: &[]awssim.Fault{fault}})
				_, err := p.Delete(t.Context(), app, role.ID)
				requireError(t, err, api.ProvisionFailed, role.ARN.Name)
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
	role := w.ensure(p, desired(policyA, w.managed), "")
	w.AddInstanceProfile(home, "foreign", role.ARN.Name)
	_, err := p.Delete(t.Context(), app, role.ID)
	requireError(t, err, api.ProvisionFailed, "instance-profile/foreign because")
	requireError(t, err, api.ProvisionFailed, "take it out, or have the administrator of the controller allow it to, by the statement LeaveInstanceProfiles")
	var step *identity.StepError
	require.ErrorAs(t, err, &step)
	assert.False(t, step.Transient, "it does not mend itself")
	left := w.state(role.ARN.Name)
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
	role := w.ensure(p, desired(policyA), "")
	kept, err := p.Retain(t.Context(), app, role.ID)
	require.NoError(t, err)
	assert.True(t, kept)
	assert.Equal(t, "true", w.state(role.ARN.Name).tags["retained"])
	again := w.ensure(p, desired(policyA), "")
	assert.Equal(t, role.ID, again.ID)
	assert.Equal(t, tagsOfApp, w.state(role.ARN.Name).tags)
}

func TestRoleNamesAreUnique(t *testing.T) {
	seen := map[string]identity.Key{}
	for _, cluster := range []string{"a", "b", "prod", strings.Repeat("c", 100)} {
		for _, key := range []identity.Key{
			{Namespace: "a", Name: "b-c"}, {Namespace: "a-b", Name: "c"}, {Namespace: "a", Name: "b.c"}, {Namespace: "a.b", Name: "c"},
			{Namespace: strings.Repeat("n", 63), Name: strings.Repeat("x", 245)}, {Namespace: strings.Repeat("n", 63), Name: strings.Repeat("x", 244) + "y"},
			{Namespace: "n", Name: strings.Repeat("x", 64)}, {Namespace: "n", Name: strings.Repeat("x", 65)},
		} {
			name := RoleName(cluster, key)
			assert.Regexp(t, `^[\w+=,.@-]{12,64}$`, name)
			other, taken := seen[strings.ToLower(name)]
			assert.Falsef(t, taken, "%s and %s share %s", key, other, name)
			seen[strings.ToLower(name)] = key
		}
	}
	assert.Equal(t, "team.app-", RoleName("prod", app)[:9])
}

func TestTombstoneHidesADeletedRole(t *testing.T) {
	w := newWorld(t)
	p := w.provisioner()
	first := w.ensure(p, desired(policyA), "")
	w.late = time.Minute
	w.Set(awssim.Settings{Propagation: new(awssim.Duration(8 * time.Second))})
	_, err := p.Delete(t.Context(), app, first.ID)
	require.NoError(t, err)
	there, err := p.Delete(t.Context(), app, "")
	require.NoError(t, err)
	assert.False(t, there, "it is deleted")
	w.Set(awssim.Settings{Faults: &[]awssim.Fault{{Action: "CreateRole", Drop: true, Times: 1}}})
	_, err = p.Ensure(t.Context(), desired(policyA), "")
	requireError(t, err, api.ProvisionFailed, "did not answer CreateRole")
	_, err = p.Ensure(t.Context(), desired(policyA), "") // that it exists is known, and the one before is shown
	requireError(t, err, api.ProvisionFailed, "cannot be seen yet")
	w.late += 9 * time.Second
	second := w.ensure(p, desired(policyA), "")
	assert.NotEqual(t, first.ID, second.ID)
}

func TestClustersInOneAccountAreSeparate(t *testing.T) {
	w := newWorld(t)
	prod, dev := w.provisioner(), w.provisioner(func(o *Options) { o.ClusterName = "dev" })
	first := w.ensure(prod, desired(policyA), "")
	want := desired(policyB)
	want.ExternalID = "team/dev"
	second := w.ensure(dev, want, "")
	assert.NotEqual(t, first.ARN, second.ARN)
	there, err := dev.Delete(t.Context(), app, "")
	require.NoError(t, err)
	assert.True(t, there)
	w.missing(second.ARN.Name)
	assert.JSONEq(t, policyA, w.state(first.ARN.Name).inline[policyName])
}

func TestLongestNames(t *testing.T) {
	w := newWorld(t)
	cluster := strings.Repeat("c", 100)
	p := w.provisioner(func(o *Options) { o.ClusterName = cluster })
	want := desired(policyA)
	want.Namespace, want.Name = strings.Repeat("n", 63), strings.Repeat("x", 245)
	want.ExternalID = want.Namespace + "/" + cluster
	role := w.ensure(p, want, "")
	got := w.state(role.ARN.Name)
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
	victim, thief := desired(policyA, w.managed), desired(policyB)
	victim.Namespace, victim.Name = strings.Repeat("n", 53)+"a", "1217875"
	thief.Namespace, thief.Name = strings.Repeat("n", 53)+"b", "295283"
	require.Equal(t, RoleName("prod", victim.Key), RoleName("prod", thief.Key))
	first := w.ensure(p, victim, "")
	before := w.state(first.ARN.Name)
	for _, id := range []string{"", first.ID} {
		_, err := p.Ensure(t.Context(), thief, id)
		requireError(t, err, api.RoleNotOwned, "it lacks the tags that identify this ServiceAccount")
		_, err = p.Delete(t.Context(), thief.Key, id)
		requireError(t, err, api.RoleNotOwned, "it lacks the tags that identify this ServiceAccount")
		_, err = p.Retain(t.Context(), thief.Key, id)
		requireError(t, err, api.RoleNotOwned, "it lacks the tags that identify this ServiceAccount")
	}
	assert.Equal(t, before, w.state(first.ARN.Name))
	assert.Empty(t, w.ensure(p, victim, first.ID).Changed)
}

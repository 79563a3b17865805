package iamprovision

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/awssim"
	"kube-aws-iam-controller/internal/identity"
)

// desiredNumber requests the role of one of many ServiceAccounts.
func desiredNumber(namespace string, i int) identity.Desired {
	want := desired(policyA)
	want.Namespace, want.Name, want.ExternalID = namespace, fmt.Sprintf("app-%d", i), namespace+"/prod"
	return want
}

func withLimit(n int) func(*Options) { return func(o *Options) { o.MaxPerNamespace = n } }

// requireLimitReached requires that a role was refused due to the limit.
func requireLimitReached(t *testing.T, err error, says ...string) {
	t.Helper()
	requireError(t, err, api.ProvisionFailed, "--max-roles-per-namespace")
	for _, each := range says {
		require.ErrorContains(t, err, each)
	}
	require.ErrorIs(t, err, errLimitReached)
}

func TestRolesPerNamespaceAreLimited(t *testing.T) {
	w := newWorld(t)
	p := w.provisioner(withLimit(3))
	for i := range 3 {
		w.ensure(p, desiredNumber(ns, i), "")
	}
	_, err := p.Ensure(t.Context(), desiredNumber(ns, 3), "")
	requireLimitReached(t, err, "the namespace team already has 3 managed roles", "--max-roles-per-namespace=3", "/kube-aws-iam-controller/prod/")
	w.missing(RoleName("prod", desiredNumber(ns, 3).Key))
	w.ensure(p, desiredNumber("other", 0), "")
	w.ensure(p, desiredNumber(ns, 2), "") // which is there

	_, err = p.Delete(t.Context(), desiredNumber(ns, 0).Key, "")
	require.NoError(t, err)
	w.ensure(p, desiredNumber(ns, 3), "")
	_, err = p.Ensure(t.Context(), desiredNumber(ns, 4), "")
	requireLimitReached(t, err)
}

func TestRetainedRolesCountAfterARestart(t *testing.T) {
	w := newWorld(t)
	p := w.provisioner(withLimit(3))
	for i := range 3 {
		w.ensure(p, desiredNumber(ns, i), "")
		_, err := p.Retain(t.Context(), desiredNumber(ns, i).Key, "")
		require.NoError(t, err)
	}
	owner := desiredNumber(ns, 3)
	knowing := func(o *Options) {
		o.Owners = func() iter.Seq[identity.Key] {
			return slices.Values([]identity.Key{owner.Key, desiredNumber("other", 0).Key})
		}
	}
	for _, each := range []*Provisioner{p, w.provisioner(withLimit(3), knowing)} {
		for range 3 {
			_, err := each.Ensure(t.Context(), owner, "")
			requireLimitReached(t, err, "3 managed roles")
		}
	}
	_, err := w.provisioner(withLimit(3), knowing).Ensure(t.Context(), owner, "")
	requireLimitReached(t, err, "3 of them retained")

	back := w.provisioner(withLimit(3))
	w.ensure(back, desiredNumber(ns, 1), "")
	assert.NotContains(t, w.state(RoleName("prod", desiredNumber(ns, 1).Key)).tags, api.RetainedTag, "whose ServiceAccount is back has its role")
}

func TestRolesOverTheLimitAreKept(t *testing.T) {
	w := newWorld(t)
	before := w.provisioner()
	var roles []identity.Role
	for i := range 5 {
		roles = append(roles, w.ensure(before, desiredNumber(ns, i), ""))
	}
	p := w.provisioner(withLimit(3))
	for i := range 5 {
		want := desiredNumber(ns, i)
		want.Managed.Policy = policyB
		w.ensure(p, want, roles[i].ID)
	}
	w.ensure(p, desiredNumber(ns, 4), "") // whose id is not known
	_, err := p.Ensure(t.Context(), desiredNumber(ns, 5), "")
	requireLimitReached(t, err, "5 managed roles")
}

func TestRolesAreListedOncePerProcess(t *testing.T) {
	w := newWorldWith(t, func(o *awssim.Options) { o.PageSize = 100 })
	p := w.provisioner(withLimit(5))
	seen := len(w.Calls())
	w.ensure(p, desiredNumber(ns, 0), "")
	assert.Equal(t, []string{"ListRoles", "CreateRole", "PutRolePolicy"}, w.calls(&seen))
	w.ensure(p, desiredNumber(ns, 1), "")
	assert.Equal(t, []string{"CreateRole", "PutRolePolicy"}, w.calls(&seen))
	for range 10 {
		_, _ = p.Ensure(t.Context(), desiredNumber(ns, 2), "")
		w.ensure(p, desiredNumber("other", 0), "")
	}
	assert.NotContains(t, w.calls(&seen), "ListRoles")
	for i := range 5 {
		_, _ = p.Ensure(t.Context(), desiredNumber(ns, i), "")
	}
	w.calls(&seen)
	for range 10 {
		_, err := p.Ensure(t.Context(), desiredNumber(ns, 6), "")
		requireLimitReached(t, err)
	}
	assert.Empty(t, w.calls(&seen), "a refusal costs no call")
}

func TestRecountNoticesDeletedRoles(t *testing.T) {
	w := newWorld(t)
	p := w.provisioner(withLimit(1))
	w.ensure(p, desiredNumber(ns, 0), "")
	p.inventory.mu.Lock() // longer ago than IAM takes to list it
	p.inventory.names[RoleName("prod", desiredNumber(ns, 0).Key)] = time.Now().Add(-time.Hour)
	p.inventory.mu.Unlock()
	name := RoleName("prod", desiredNumber(ns, 0).Key)
	_, err := w.admin.DeleteRolePolicy(t.Context(), &iam.DeleteRolePolicyInput{RoleName: &name, PolicyName: new(policyName)})
	require.NoError(t, err)
	_, err = w.admin.DeleteRole(t.Context(), &iam.DeleteRoleInput{RoleName: &name})
	require.NoError(t, err)
	_, err = p.Ensure(t.Context(), desiredNumber(ns, 1), "")
	requireLimitReached(t, err)
	p.inventory.mu.Lock()
	p.inventory.listedAt = time.Now().Add(-recountAfter)
	p.inventory.mu.Unlock()
	w.ensure(p, desiredNumber(ns, 1), "")
}

func TestNoRoleIsCreatedIfTheListFails(t *testing.T) {
	w := newWorld(t)
	p := w.provisioner(withLimit(1))
	w.Set(awssim.Settings{Faults: &[]awssim.Fault{{Action: "ListRoles", Code: "ServiceFailure", Times: 1}}})
	_, err := p.Ensure(t.Context(), desiredNumber(ns, 0), "")
	requireError(t, err, api.ProvisionFailed, "the list of the roles under")
	w.missing(RoleName("prod", desiredNumber(ns, 0).Key))
	w.ensure(p, desiredNumber(ns, 0), "")
}

func TestLimitWithoutPermissionToList(t *testing.T) {
	w := newWorld(t)
	w.ensure(w.provisioner(), desiredNumber(ns, 9), "")
	w.Set(awssim.Settings{Faults: &[]awssim.Fault{{Action: "ListRoles", Code: "AccessDenied"}}})
	p := w.provisioner(withLimit(2))
	w.ensure(p, desiredNumber(ns, 0), "")
	w.ensure(p, desiredNumber(ns, 1), "")
	_, err := p.Ensure(t.Context(), desiredNumber(ns, 2), "")
	requireLimitReached(t, err)
	p.inventory.mu.Lock()
	p.inventory.listedAt = time.Now().Add(-recountAfter)
	p.inventory.mu.Unlock()
	_, err = p.Ensure(t.Context(), desiredNumber(ns, 2), "")
	requireLimitReached(t, err, "2 managed roles")
}

func TestFailedCreationsDoNotCount(t *testing.T) {
	w := newWorld(t)
	p := w.provisioner(withLimit(1))
	for range 3 {
		w.Set(awssim.Settings{Faults: &[]awssim.Fault{{Action: "CreateRole", Code: "LimitExceeded", Status: 409, Times: 1}}})
		_, err := p.Ensure(t.Context(), desiredNumber(ns, 0), "")
		requireError(t, err, api.ProvisionFailed, "LimitExceeded")
	}
	w.ensure(p, desiredNumber(ns, 1), "")
}

func TestLimitHoldsForConcurrentCreations(t *testing.T) {
	w := newWorld(t)
	p := w.provisioner(withLimit(5))
	var wg sync.WaitGroup
	var mu sync.Mutex
	made := 0
	for i := range 20 {
		wg.Go(func() {
			if _, err := p.Ensure(t.Context(), desiredNumber(ns, i), ""); err == nil {
				mu.Lock()
				made++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	assert.Equal(t, 5, made)
	lists := 0
	for _, call := range w.Calls() {
		if call.Action == "ListRoles" {
			lists++
		}
	}
	assert.Equal(t, 1, lists)
}

// Names of roles are cut, and hold dots of names of ServiceAccounts.
func TestRoleScope(t *testing.T) {
	long := strings.Repeat("n", 63)
	for _, key := range []identity.Key{
		{Namespace: "team", Name: "app"},
		{Namespace: "team", Name: "a.b.c"},
		{Namespace: "team", Name: strings.Repeat("a", 253)},
		{Namespace: "a-b", Name: "c-0123456789"},
		{Namespace: long[:52], Name: "app"},
		{Namespace: long[:53], Name: "app"},
		{Namespace: long, Name: "app"},
	} {
		got, ours := roleScope("prod", RoleName("prod", key))
		assert.True(t, ours, "%v", key)
		assert.Equal(t, namespaceScope(key.Namespace), got, "%v", key)
		if len(key.Namespace+key.Name) < maxReadable {
			_, ours = roleScope("dev", RoleName("prod", key))
			assert.False(t, ours, "another cluster's: %v", key)
		}
	}
	for _, name := range []string{"", "-", "-0123456789", "team-0123456789", "team.app", "team.app-012345678", "AWSServiceRoleForX"} {
		_, ours := roleScope("prod", name)
		assert.False(t, ours, name)
	}
}

func TestRolesOfAnotherProcessCountOnceEnsured(t *testing.T) {
	w := newWorld(t)
	p := w.provisioner(withLimit(2))
	w.ensure(p, desiredNumber(ns, 1), "")
	other := w.ensure(w.provisioner(), desiredNumber(ns, 2), "")
	w.ensure(p, desiredNumber(ns, 2), other.ID)
	_, err := p.Ensure(t.Context(), desiredNumber(ns, 3), "")
	requireLimitReached(t, err, "2 managed roles")
}

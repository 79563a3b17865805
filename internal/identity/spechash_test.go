package identity

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// asked are requests without a session policy, and the hashes that versions without
// session policies wrote to the Secrets of such requests.
func asked() map[string]Desired {
	role := Desired{
		Key: Key{Source: ServiceAccount, Namespace: "team", Name: "app"}, UID: "0d1c9b3e-6f0a-4a0e-9f43-0e8f5d6a7b8c",
		Role: RoleReference{Path: "apps/", Name: "reader"}, SessionDuration: 2 * time.Hour, ExternalID: "team/prod",
	}
	managed, resource := role, role
	managed.Role, managed.Managed = RoleReference{}, &ManagedRole{
		Policy: `{"Version":"2012-10-17","Statement":[]}`, ManagedPolicies: []string{"arn:aws:iam::aws:policy/A"},
	}
	resource.Source, resource.Generation = AWSIAMRole, 7
	resource.Role = RoleReference{Partition: "aws", Account: "123456789012", Name: "reader"}
	return map[string]Desired{"7fd5bc42507e06f4": role, "0e9a6b3e81f8e0de": managed, "bfe39f142197fa01": resource}
}

func TestSpecHashOfEarlierVersionsIsKept(t *testing.T) {
	for hash, want := range asked() {
		assert.Equal(t, hash, want.SpecHash(), "otherwise an upgrade renews everything at once")
		assert.Equal(t, hash, want.RoleHash())
	}
}

func TestSessionPolicyIsPartOfTheSpecHash(t *testing.T) {
	const policy, other = `{"Version":"2012-10-17"}`, `{"Version":"2008-10-17"}`
	for hash, want := range asked() {
		limited, changed, gone := want, want, want
		limited.SessionPolicy, changed.SessionPolicy = policy, other
		gone.UID = "another"
		assert.Equal(t, hash+"-52279714d77bcfad", limited.SpecHash(), "which Secrets carry from now on")
		assert.NotEqual(t, limited.SpecHash(), changed.SpecHash())
		assert.Equal(t, hash, limited.RoleHash(), "the role does not depend on it")
		for _, same := range []Desired{want, limited, changed} {
			assert.True(t, want.IsRoleOf(same.SpecHash()))
			assert.True(t, limited.IsRoleOf(same.SpecHash()))
			assert.False(t, gone.IsRoleOf(same.SpecHash()))
		}

		assert.True(t, Covers(want.SpecHash(), ""))
		assert.True(t, Covers(limited.SpecHash(), policy))
		assert.False(t, Covers(limited.SpecHash(), ""), "it was removed")
		assert.False(t, Covers(limited.SpecHash(), other), "it was changed")
		assert.False(t, Covers(want.SpecHash(), policy), "it was added")

		last := changed.LastGood(RoleReference{Name: "old"}, time.Hour, policy, limited.SpecHash())
		assert.JSONEq(t, policy, last.SessionPolicy)
		assert.Equal(t, limited.SpecHash(), last.SpecHash())
	}
}

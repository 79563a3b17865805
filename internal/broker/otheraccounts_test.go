package broker

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/refresh"
	"kube-aws-iam-controller/internal/status"
)

var elsewhere = identity.RoleReference{Partition: "aws", Account: "999999999999", Name: "app"}

func TestRolesOfOtherAccountsAreCheckedByDefault(t *testing.T) {
	for name, tc := range map[string]struct {
		check  identity.ExternalIDCheck
		source identity.Source
		role   identity.RoleReference
		proven bool
	}{
		"another account":                 {identity.CheckOtherAccounts, identity.ServiceAccount, elsewhere, true},
		"the own account":                 {identity.CheckOtherAccounts, identity.ServiceAccount, identity.RoleReference{Name: "app"}, false},
		"an AWSIAMRole":                   {identity.CheckOtherAccounts, identity.AWSIAMRole, elsewhere, false},
		"all":                             {identity.CheckAll, identity.ServiceAccount, identity.RoleReference{Name: "app"}, true},
		"all, an AWSIAMRole":              {identity.CheckAll, identity.AWSIAMRole, identity.RoleReference{Name: "app"}, true},
		"off":                             {identity.CheckNone, identity.ServiceAccount, elsewhere, false},
		"another partition's same digits": {identity.CheckOtherAccounts, identity.ServiceAccount, identity.RoleReference{Partition: "aws-cn", Account: "123456789012", Name: "app"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.requireExternalID(tc.check)
				w.asked.Role, w.asked.Source = tc.role, tc.source
				_, err := w.syncKey(w.asked.Key)
				require.NoError(t, err)
				did := w.did()
				assert.Equal(t, tc.proven, did == "Prove Assume Prove Apply", did)
			})
		})
	}
}

func TestUpgradeRevokesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.asked.Role = elsewhere
		w.serve()
		w.did()
		w.requireExternalID(identity.CheckOtherAccounts)
		w.open = true
		w.serve()
		assert.Empty(t, w.did(), "nothing is renewed for that")
		time.Sleep(45 * time.Minute)
		_, err := w.sync()
		require.ErrorContains(t, err, "can be assumed under any external ID")
		assert.Equal(t, "Prove", w.did(), "what is left of the session stays")
		assert.Equal(t, status.Degraded, w.state())
		time.Sleep(time.Hour)
		_, err = w.sync()
		require.ErrorContains(t, err, "can be assumed under any external ID")
		assert.Equal(t, status.Failed, w.state(), "and it is not renewed")
	})
}

func TestCredentialsOfAnotherAccountAreRevokedWhenTheCheckFails(t *testing.T) {
	for name, tc := range map[string]func(*world){
		"after it did":         func(*world) {},
		"with a forged Secret": func(w *world) { w.change(func(s *refresh.State) { s.Edited, s.Proven = true, time.Time{} }) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.requireExternalID(identity.CheckOtherAccounts)
				w.asked.Role = elsewhere
				w.serve()
				time.Sleep(24 * time.Hour)
				w.did()
				tc(w)
				w.open = true
				_, err := w.sync()
				require.Error(t, err)
				assert.Equal(t, "Prove Remove", w.did())
			})
		})
	}
}

package externalid

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

func TestRolesThatHaveToBeChecked(t *testing.T) {
	here := identity.RoleReference{Partition: "aws", Account: account, Name: "app"}
	for name, tc := range map[string]struct {
		require identity.ExternalIDCheck
		source  identity.Source
		role    identity.RoleReference
		checked bool
	}{
		"off":                               {identity.CheckNone, identity.ServiceAccount, elsewhere, false},
		"the zero value is off":             {"", identity.ServiceAccount, elsewhere, false},
		"other accounts, another":           {identity.CheckOtherAccounts, identity.ServiceAccount, elsewhere, true},
		"other accounts, the controller's":  {identity.CheckOtherAccounts, identity.ServiceAccount, here, false},
		"other accounts, by name":           {identity.CheckOtherAccounts, identity.ServiceAccount, identity.RoleReference{Name: "app"}, false},
		"other accounts, another partition": {identity.CheckOtherAccounts, identity.ServiceAccount, identity.RoleReference{Partition: "aws-cn", Account: account, Name: "app"}, true},
		"other accounts, of an AWSIAMRole":  {identity.CheckOtherAccounts, identity.AWSIAMRole, elsewhere, false},
		"all, another account":              {identity.CheckAll, identity.ServiceAccount, elsewhere, true},
		"all, the controller's account":     {identity.CheckAll, identity.ServiceAccount, here, true},
		"all, by name":                      {identity.CheckAll, identity.ServiceAccount, identity.RoleReference{Name: "app"}, true},
		"all, of an AWSIAMRole":             {identity.CheckAll, identity.AWSIAMRole, here, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, tc.require)
				w.want.Source, w.want.Role = tc.source, tc.role
				at, err := w.Check(t.Context(), w.want)
				require.NoError(t, err)
				if tc.checked {
					assert.Equal(t, "app", w.did())
					assert.Equal(t, time.Now(), at)
				} else {
					assert.Empty(t, w.did())
					assert.Zero(t, at)
				}
				w.open = true
				_, err = w.Check(t.Context(), w.want)
				assert.Equal(t, tc.checked, err != nil)
			})
		})
	}
}

func TestRoleThatTakesAnyExternalIDIsRefusedWithTheRemedy(t *testing.T) {
	w := newWorld(t, identity.CheckAll)
	w.open = true
	_, err := w.Check(t.Context(), w.want)
	require.EqualError(t, err, "role 'arn:aws:iam::999999999999:role/app' can be assumed under any external ID, so every namespace could use it: "+
		`add the condition sts:ExternalId "ns/cluster" to its trust policy, as printed by the command trust-policy`)
	assert.Equal(t, api.ExternalIDNotEnforced, identity.ReasonOf(err))
}

func TestCheckLastsADayLessTheSession(t *testing.T) {
	for _, session := range []time.Duration{15 * time.Minute, time.Hour, 12 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, identity.CheckOtherAccounts)
			w.want.SessionDuration = session
			first := w.check()
			w.did()
			time.Sleep(24*time.Hour - session - time.Nanosecond)
			assert.Equal(t, first, w.check())
			assert.Empty(t, w.did())
			time.Sleep(time.Nanosecond)
			assert.Equal(t, time.Now(), w.check(), "credentials that are issued now would outlive the check")
			assert.Equal(t, "app app", w.did())
		})
	}
}

func TestCheckIsOfOneRole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, identity.CheckAll)
		w.check()
		w.did()
		for _, role := range []string{"other", "app", "app"} {
			w.want.Role.Name = role
			w.check()
		}
		assert.Equal(t, "other other app app", w.did(), "only the last one is remembered")
	})
}

func TestCheckOfTheSecretIsNotBelieved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, identity.CheckAll)
		w.want.Proven = time.Now()
		w.open = true
		_, err := w.Check(t.Context(), w.want)
		assert.Equal(t, api.ExternalIDNotEnforced, identity.ReasonOf(err), "tenants write Secrets")
	})
}

func TestOutageTurnsNoYesIntoANo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, identity.CheckAll)
		first := w.check()
		time.Sleep(24 * time.Hour)
		w.did()
		w.enforcesErr = errAway
		assert.Equal(t, first, w.check())
		assert.Equal(t, "app", w.did(), "nothing to confirm")
		assert.Contains(t, w.logged.String(), "external ID check did not complete, keeping the previous result")
		w.enforcesErr = nil
		assert.Equal(t, time.Now(), w.check(), "at the next renewal")
	})
}

func TestOutageTurnsNoNoIntoAYes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, identity.CheckAll)
		w.enforcesErr = errAway
		_, err := w.Check(t.Context(), w.want)
		require.ErrorIs(t, err, errAway)
		require.EqualError(t, err, "Failed to get credentials for role 'arn:aws:iam::999999999999:role/app': see whether it asks for its external ID: STS is away")

		w.enforcesErr = nil
		w.check()
		time.Sleep(24 * time.Hour)
		w.open = true
		_, err = w.Check(t.Context(), w.want)
		require.Equal(t, api.ExternalIDNotEnforced, identity.ReasonOf(err))
		w.enforcesErr = errAway
		_, err = w.Check(t.Context(), w.want)
		require.ErrorIs(t, err, errAway, "the last answer was no")
	})
}

func TestCheckFailsWhereTheRoleOrTheAccountIsNotKnown(t *testing.T) {
	w := newWorld(t, identity.CheckOtherAccounts)
	w.resolveErr = errAway
	_, err := w.Check(t.Context(), w.want)
	require.ErrorIs(t, err, errAway)
	require.ErrorContains(t, err, "Failed to get credentials for role 'arn:aws:iam::999999999999:role/app': ")
	w.resolveErr, w.accountErr = nil, errAway
	_, err = w.Check(t.Context(), w.want)
	require.ErrorIs(t, err, errAway)
	assert.Empty(t, w.did())
}

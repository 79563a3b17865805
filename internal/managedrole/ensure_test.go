package managedrole

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

func TestFinalizerIsAddedBeforeIAMIsCalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.answers = []ensured{created("AROA1")}
		role, err := w.m.Ensure(t.Context(), w.want, "")
		require.NoError(t, err)
		assert.Equal(t, "AROA1", role.ID)
		assert.Equal(t, "AddFinalizer, Ensure ", w.did())
		assert.Equal(t, []string{"Normal RoleCreated: Created role '" + roleARN.String() + "'"}, w.events)
	})
}

func TestNoRoleIsMadeWithoutTheFinalizer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.holdErr = errors.New("the API server is away")
		_, err := w.m.Ensure(t.Context(), w.want, "")
		require.ErrorIs(t, err, w.holdErr)
		require.EqualError(t, err, "Failed to prepare the ServiceAccount for its managed role: the API server is away")
		assert.Equal(t, api.ProvisionFailed, identity.ReasonOf(err))
		assert.Equal(t, "AddFinalizer", w.did())
		assert.False(t, w.m.MayExist(app))
	})
}

func TestIDOfADeletedRoleIsForgottenBeforeAnotherIsMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.answers = []ensured{{err: identity.ErrRoleGone}, created("AROA2")}
		role, err := w.m.Ensure(t.Context(), w.want, "AROA1")
		require.NoError(t, err)
		assert.Equal(t, "AROA2", role.ID)
		assert.Equal(t, "AddFinalizer, Ensure AROA1, ForgetRole, Ensure ", w.did())
		assert.Equal(t, "AROA2", w.m.ID(app, "AROA1"), "whatever a cache still says")
	})
}

func TestNoRoleIsMadeWhileTheIDOfADeletedOneIsNotForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := made(t, time.Hour)
		w.forgetErr = errAway
		w.answers = []ensured{{err: identity.ErrRoleGone}}
		_, err := w.m.Ensure(t.Context(), w.want, "AROA1")
		require.ErrorIs(t, err, errAway)
		assert.Equal(t, "AddFinalizer, Ensure AROA1, ForgetRole", w.did())
		assert.Equal(t, "AROA1", w.m.ID(app, ""), "the next try has to notice it again")
	})
}

func TestDeletedRoleThatIsNotReplacedYetIsStillRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := made(t, time.Second)
		w.answers = []ensured{{err: identity.ErrRoleGone}, {err: errAway}}
		_, err := w.m.Ensure(t.Context(), w.want, "AROA1")
		require.ErrorIs(t, err, errAway)
		assert.Equal(t, "AROA2", w.m.ID(app, "AROA2"), "its ID is forgotten")
		_, recent := w.m.Recent(w.want)
		assert.False(t, recent, "it is no role to assume")
		w.held = false
		assert.True(t, w.m.MayExist(app), "it may only be out of sight")
	})
}

func TestUnfinishedRoleIsRememberedAndFinishedWithoutAnUpdate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		half := created("AROA1")
		half.err = errAway
		w.answers = []ensured{half}
		role, err := w.m.Ensure(t.Context(), w.want, "")
		require.ErrorIs(t, err, errAway)
		assert.Equal(t, "AROA1", role.ID, "it is returned beside the error")
		assert.Len(t, w.events, 1)
		assert.Contains(t, w.events[0], "Normal RoleCreated")
		assert.True(t, w.m.Ensured(app))
		_, recent := w.m.Recent(w.want)
		assert.False(t, recent, "it does not have its policies")
		w.did()

		w.events = nil
		w.answers = []ensured{{role: identity.Role{ARN: roleARN, ID: "AROA1", Changed: []string{"policy"}}}}
		_, err = w.m.Ensure(t.Context(), w.want, "")
		require.NoError(t, err)
		assert.Equal(t, "AddFinalizer, Ensure AROA1", w.did(), "by the ID that no Secret has yet")
		assert.Empty(t, w.events, "to finish it is no update")
		_, recent = w.m.Recent(w.want)
		assert.True(t, recent)
		limited := w.want
		limited.SessionPolicy = "{}"
		_, recent = w.m.Recent(limited)
		assert.True(t, recent, "the role does not depend on the session policy")
	})
}

func TestFailedEnsureOfARoleThatWasNotMadeChangesNoMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.answers = []ensured{{err: errAway}}
		_, err := w.m.Ensure(t.Context(), w.want, "")
		require.ErrorIs(t, err, errAway)
		assert.False(t, w.m.Ensured(app))
		assert.Empty(t, w.events)
	})
}

func TestUpdateNamesWhatChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := made(t, time.Hour)
		w.answers = []ensured{{role: identity.Role{ARN: roleARN, ID: "AROA1", Changed: []string{"policy", "session duration"}}}}
		_, err := w.m.Ensure(t.Context(), w.want, "")
		require.NoError(t, err)
		assert.Equal(t, []string{"Normal RoleUpdated: Updated role '" + roleARN.String() + "': policy, session duration"}, w.events)
		w.events = nil
		_, err = w.m.Ensure(t.Context(), w.want, "")
		require.NoError(t, err)
		assert.Empty(t, w.events, "it matches")
	})
}

func TestUpdateIsRecordedAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.answers = []ensured{{role: identity.Role{ARN: roleARN, ID: "AROA1", Changed: []string{"policy"}}}}
		_, err := w.m.Ensure(t.Context(), w.want, "AROA1")
		require.NoError(t, err)
		assert.Equal(t, []string{"Normal RoleUpdated: Updated role '" + roleARN.String() + "': policy"}, w.events)
	})
}

func TestRenewedTrustPolicyIsAnUpdate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := made(t, time.Hour)
		w.answers = []ensured{{role: identity.Role{ARN: roleARN, ID: "AROA1", TrustRenewed: true}}}
		_, err := w.m.Ensure(t.Context(), w.want, "")
		require.NoError(t, err)
		require.Len(t, w.events, 1)
		assert.Contains(t, w.events[0], "Normal RoleUpdated: ")
		assert.Contains(t, w.events[0], "its trust policy now requires this ServiceAccount's session name")
	})
}

func TestOutdatedTrustPolicyIsWarnedOfOnceAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := made(t, time.Hour)
		w.want.SessionDuration = 2 * time.Hour
		begin, warned := time.Now(), 0
		for time.Since(begin) < 5*time.Hour {
			w.events, w.answers = nil, []ensured{{role: identity.Role{ARN: roleARN, ID: "AROA1", TrustOutdated: "why"}}}
			_, err := w.m.Ensure(t.Context(), w.want, "")
			require.NoError(t, err, "it is served as before")
			for _, event := range w.events {
				assert.Equal(t, "Warning TrustPolicyOutdated: why", event)
				warned++
			}
			time.Sleep(time.Minute)
		}
		assert.Equal(t, 6, warned, "every 54 minutes")
	})
}

package broker

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/refresh"
	"kube-aws-iam-controller/internal/status"
)

// watching is a world in which an own role is looked at every hour, and there for long.
func watching(t *testing.T) *world {
	t.Helper()
	w := asking(t)
	w.asked.SessionDuration = 12 * time.Hour
	w.managed.DriftInterval = time.Hour
	w.serve()
	time.Sleep(5 * time.Minute)
	w.did()
	w.told()
	w.metrics = nil
	return w
}

// secondInspection is how long after drift was first seen it is looked for again.
const secondInspection = 20 * time.Second

// untilLooked lives until the role has been looked at, and returns for how long.
func (w *world) untilLooked() time.Duration {
	w.t.Helper()
	begin := time.Now()
	for range 10 {
		again, err := w.sync()
		require.NoError(w.t, err)
		if len(w.calls) > 0 {
			return time.Since(begin)
		}
		time.Sleep(again)
	}
	w.t.Fatal("it was never looked at")
	return 0
}

func TestRoleIsInspectedOnceInAnInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watching(t)
		assert.LessOrEqual(t, w.untilLooked(), time.Hour, "the first time at any moment")
		assert.Equal(t, "Differs AROA1", w.did())
		for range 3 {
			assert.InDelta(t, float64(57*time.Minute), float64(w.untilLooked()), float64(3*time.Minute+time.Second))
			assert.Equal(t, "Differs AROA1", w.did())
		}
		assert.Empty(t, w.told())
	})
}

func TestDriftIsCorrectedWhenItIsSeenTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watching(t)
		w.drifted = []string{"trust", "tags"}
		w.untilLooked()
		assert.Equal(t, "Differs AROA1", w.did())
		assert.Empty(t, w.told())
		assert.Equal(t, secondInspection, w.untilLooked())
		assert.Equal(t, "Differs AROA1 Ensure AROA1", w.did())
		assert.Equal(t, []string{"drift trust", "drift tags"}, w.metrics)
		told := w.told()
		require.Len(t, told, 2)
		assert.Equal(t, api.RoleDriftCorrected, told[0].reason)
		assert.Contains(t, told[0].message, "which had been changed outside of the controller: trust")
	})
}

func TestStaleReadIsNoDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watching(t)
		w.drifted = []string{"trust"}
		w.untilLooked()
		w.did()
		w.drifted = nil
		assert.Equal(t, secondInspection, w.untilLooked())
		assert.Equal(t, "Differs AROA1", w.did())
		assert.Empty(t, w.metrics)
	})
}

func TestDeletedRoleIsRecreatedWithItsCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watching(t)
		w.drifted = []string{"role"}
		w.untilLooked()
		w.did()
		w.role = nil
		w.untilLooked()
		assert.Equal(t, "Differs AROA1 Ensure AROA1 ForgetRole Ensure  Assume Apply", w.did())
		assert.Contains(t, w.metrics, "drift role")
	})
}

func TestFailedInspectionIsRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watching(t)
		w.differsErr = &identity.StepError{Reason: api.ProvisionFailed, Message: "throttled", Err: errDenied}
		w.serve() // plans the first look
		time.Sleep(time.Hour)
		_, err := w.sync()
		require.ErrorIs(t, err, errDenied)
		assert.Equal(t, status.Degraded, w.state())
		w.differsErr = nil
		time.Sleep(time.Second) // of back-off
		w.serve()
		assert.Equal(t, status.Ready, w.state())
	})
}

func TestFailureOfAnInspectionLastsUntilTheNextOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watching(t)
		w.serve() // plans the first look
		w.differsErr = &identity.StepError{Reason: api.ProvisionFailed, Message: "denied", Err: errDenied}
		time.Sleep(time.Hour)
		_, err := w.sync()
		require.ErrorIs(t, err, errDenied)
		assert.Equal(t, "Differs AROA1", w.did())
		w.busy = true
		for range 5 {
			again := w.serve()
			require.Positive(t, again)
			time.Sleep(again)
			assert.Equal(t, status.Degraded, w.state(), "it waits for its turn")
		}
		assert.Empty(t, w.did())
		w.busy, w.differsErr = false, nil
		w.serve()
		assert.Equal(t, "Differs AROA1", w.did())
		assert.Equal(t, status.Ready, w.state())
		assert.Equal(t, api.CredentialsIssued, w.shown().Reason)
	})
}

func TestIdentityIsReportedAsServedWhileItsInspectionWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watching(t)
		w.serve() // plans the first look
		w.busy = true
		time.Sleep(time.Hour)
		w.statuses = nil
		again := w.serve()
		assert.LessOrEqual(t, again, 10*time.Second)
		assert.Equal(t, api.CredentialsIssued, w.shown().Reason)
		assert.Empty(t, w.did())
	})
}

func TestRolesAreNotInspectedWhileProvisioningIsDisabled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watching(t)
		w.disabledErr = errDenied
		for range 5 {
			time.Sleep(w.serve())
		}
		assert.NotContains(t, w.did(), "Differs")
	})
}

func TestCredentialsOfARecreatedRoleFollowOnceItIsReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watching(t)
		w.drifted = []string{"role"}
		w.untilLooked()
		w.role, w.assumeErr, w.newID = nil, errDenied, "AROA2"
		time.Sleep(w.untilLooked())
		assert.Equal(t, "AROA1", w.have[app].RoleID)
		time.Sleep(secondInspection)
		w.serve() // it cannot be assumed at once
		w.drifted, w.assumeErr = nil, nil
		for range 5 {
			time.Sleep(w.serve())
		}
		assert.Equal(t, "AROA2", w.have[app].RoleID)
		w.did()
		w.untilLooked()
		assert.Equal(t, "Differs AROA2", w.did(), "by its new id it is ours")
	})
}

func TestRoleIDIsForgottenBeforeTheRoleIsRecreated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watching(t)
		w.drifted = []string{"role"}
		w.untilLooked()
		w.did()
		w.role, w.forgetErr = nil, errDenied
		time.Sleep(secondInspection)
		_, err := w.sync()
		require.ErrorIs(t, err, errDenied)
		assert.Equal(t, "Differs AROA1 Ensure AROA1 ForgetRole", w.did(), "it would be taken for a stranger's after a crash")
	})
}

func TestSecretWithoutTheRoleIDIsRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watching(t)
		w.change(func(s *refresh.State) { s.RoleID = "" }) // and then came a crash
		w.disabledErr = errDenied
		w.serve()
		assert.Empty(t, w.did(), "nothing can be done about it")
		w.disabledErr = nil
		w.serve()
		assert.Equal(t, "AddFinalizer Ensure AROA1 Assume Apply", w.did())
		assert.Equal(t, "AROA1", w.have[app].RoleID)
	})
}

func TestCredentialsOfARecreatedRoleAreIssuedAlthoughTheCacheLagsBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watching(t)
		w.drifted = []string{"role"}
		w.untilLooked()
		w.did()
		w.role, w.assumeErr, w.newID = nil, errDenied, "AROA2"
		w.untilLooked()
		w.change(func(s *refresh.State) { s.RoleID = "AROA1" }) // as before it was forgotten
		w.drifted, w.assumeErr = nil, nil
		w.serve()
		assert.Equal(t, "AROA2", w.have[app].RoleID)
	})
}

func TestRoleThatWasJustUpdatedIsWaitedForSilently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watching(t)
		w.asked.Managed = &identity.ManagedRole{Policy: "[]"}
		w.drifted, w.assumeErr = []string{"trust"}, errDenied
		assert.Equal(t, time.Second, w.serve())
		assert.Empty(t, w.complaints())
	})
}

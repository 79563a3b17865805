package broker

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// replaced has the object go with all that it had, and another of its name come.
func (w *world) replaced() {
	w.t.Helper()
	asked := *w.asked
	w.asked = nil
	w.serve()
	w.serve() // brought about by the Secret's deletion
	require.Empty(w.t, w.have)
	require.Nil(w.t, w.role)
	asked.UID = "u2"
	w.asked = &asked
	w.did()
	w.told()
}

func TestRecreatedObjectIsCheckedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.requireExternalID(identity.CheckAll)
		w.serve()
		require.Contains(t, w.did(), "Prove")
		w.replaced()
		w.serve()
		assert.Contains(t, w.did(), "Prove")
	})
}

func TestSuspectedDriftIsForgottenWithItsObject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := asking(t)
		w.managed.DriftInterval = time.Hour
		// look waits for a look at a role that somebody changed.
		look := func() {
			w.drifted = []string{"trust"}
			for !strings.Contains(w.did(), "Differs") {
				time.Sleep(w.serve())
			}
		}
		w.serve()
		look()
		w.drifted = nil
		w.replaced()
		w.serve()
		w.told()
		look()
		for _, e := range w.told() {
			assert.NotEqual(t, api.RoleDriftCorrected, e.reason, "what is seen once may only not be seen everywhere yet")
		}
	})
}

// IAM makes a role although its answer is lost: the next try has to know it for its own.
func TestIDOfADeletedRoleIsForgottenBeforeItIsRecreated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := asking(t)
		w.serve()
		require.Equal(t, "AROA1", w.have[app].RoleID)
		w.did()
		w.role, w.newID = nil, "AROA2" // somebody deleted it
		w.asked.Managed = &identity.ManagedRole{Policy: `{"Version":"2012-10-17"}`}
		w.lostErr = errors.New("the connection was closed")
		_, err := w.sync()
		require.ErrorIs(t, err, w.lostErr)
		assert.Equal(t, "AddFinalizer Ensure AROA1 ForgetRole Ensure ", w.did())
		w.lostErr = nil
		w.serve()
		assert.Equal(t, "AROA2", w.have[app].RoleID)
	})
}

// A sweep may have found the role of an object that came back a moment later.
func TestIDOfAnOrphanIsForgottenOnceItHasAnOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := asking(t)
		w.serve()
		w.swept = []identity.Key{app}
		w.sweepOnce()
		w.swept = nil
		w.serve()
		w.role, w.newID = nil, "AROA2" // somebody deleted it
		w.asked.Managed = &identity.ManagedRole{Policy: `{"Version":"2012-10-17"}`}
		w.serve()
		require.Equal(t, "AROA2", w.have[app].RoleID)
		w.did()
		w.asked = nil
		w.serve()
		assert.Contains(t, w.did(), "Delete AROA2", "another would be taken for somebody else's, and left behind")
	})
}

func TestWhatTheControllerRunsOnIsNotRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.serve()
		w.did()
		w.asked, w.runsOnErr = nil, errors.New("STS is away")
		_, err := w.sync()
		require.ErrorIs(t, err, w.runsOnErr)
		assert.Equal(t, "Release", w.did(), "nothing is removed while that is not known")

		w.runsOn, w.runsOnErr = account+"app", nil
		w.serve()
		assert.Equal(t, "Release", w.did())
		assert.Contains(t, w.logged.String(), "the controller may be running on them")

		w.runsOn = account + "other"
		w.serve()
		assert.Equal(t, "Release Remove", w.did())
	})
}

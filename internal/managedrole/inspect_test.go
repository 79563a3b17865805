package managedrole

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/identity"
)

// differing is the answer of Differs, and the next one of Ensure, for a role that somebody else changed.
func (w *world) differing(kinds ...string) {
	w.differs = ensured{role: identity.Role{ARN: roleARN, ID: "AROA1", Changed: kinds}}
	w.answers = []ensured{w.differs}
}

// inspect inspects the role, and returns when to do that again and whether it was made anew.
func (w *world) inspect() (next time.Duration, created bool) {
	w.t.Helper()
	next, created, err := w.m.Inspect(w.t.Context(), w.want, "AROA1")
	require.NoError(w.t, err)
	return next, created
}

// assertPlanned asserts that the next inspection is planned as Inspect said.
func (w *world) assertPlanned(next time.Duration) {
	w.t.Helper()
	wait, is := w.m.InspectIn(app)
	assert.True(w.t, is)
	assert.Equal(w.t, next, wait)
}

func TestInspectionsOfNewRolesAreSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		early, late := 0, 0
		for range 200 {
			w.m.Forget(app)
			wait, is := w.m.InspectIn(app)
			require.True(t, is)
			require.GreaterOrEqual(t, wait, time.Duration(0))
			require.Less(t, wait, driftInterval)
			w.assertPlanned(wait)
			if wait < driftInterval/2 {
				early++
			} else {
				late++
			}
		}
		assert.Greater(t, early, 50)
		assert.Greater(t, late, 50)
		wait, _ := w.m.InspectIn(app)
		time.Sleep(wait + time.Minute)
		w.assertPlanned(-time.Minute)
	})
}

func TestNothingIsInspectedWhereThatIsOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := made(t, time.Hour)
		w.m.DriftInterval = 0
		_, is := w.m.InspectIn(app)
		assert.False(t, is, "no interval")
		w.m.DriftInterval, w.disabled = driftInterval, errAway
		_, is = w.m.InspectIn(app)
		assert.False(t, is, "no roles are made")
	})
}

func TestRoleThatMatchesIsInspectedAgainAfterTheInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := made(t, time.Hour)
		seen := map[time.Duration]bool{}
		for range 100 {
			next, created := w.inspect()
			assert.False(t, created)
			assert.LessOrEqual(t, next, driftInterval)
			assert.GreaterOrEqual(t, next, driftInterval*9/10)
			w.assertPlanned(next)
			seen[next] = true
			assert.Equal(t, "Differs AROA1", w.did())
		}
		assert.Greater(t, len(seen), 50, "what began together does not stay together")
		assert.Empty(t, w.events)
	})
}

func TestDriftIsCorrectedAtTheSecondLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := made(t, time.Hour)
		w.differing("trust", "tags")
		next, created := w.inspect()
		assert.Equal(t, 20*time.Second, next)
		assert.False(t, created)
		w.assertPlanned(next)
		assert.Equal(t, "Differs AROA1", w.did())
		assert.Empty(t, w.events)

		next, created = w.inspect()
		assert.GreaterOrEqual(t, next, driftInterval*9/10)
		assert.False(t, created)
		assert.Equal(t, "Differs AROA1, Ensure AROA1", w.did())
		assert.Equal(t, []string{"trust", "tags"}, w.drift)
		assert.Equal(t, []string{
			"Warning RoleDriftCorrected: Corrected role '" + roleARN.String() + "', which had been changed outside of the controller: trust",
			"Warning RoleDriftCorrected: Corrected role '" + roleARN.String() + "', which had been changed outside of the controller: tags",
		}, w.events)
		assert.Contains(t, w.logged.String(), "changed=trust,tags")

		w.forgetWhatWasDone()
		next, _ = w.inspect()
		assert.Equal(t, 20*time.Second, next, "what comes after that has to be seen twice as well")
	})
}

func TestDriftThatIsGoneAtTheSecondLookWasNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := made(t, time.Hour)
		w.differing("trust")
		w.inspect()
		w.differs = ensured{role: identity.Role{ARN: roleARN, ID: "AROA1"}}
		next, _ := w.inspect()
		assert.GreaterOrEqual(t, next, driftInterval*9/10)
		w.differing("trust")
		next, _ = w.inspect()
		assert.Equal(t, 20*time.Second, next, "that was seen once")
		assert.Equal(t, "Differs AROA1, Differs AROA1, Differs AROA1", w.did())
		assert.Empty(t, w.drift)
	})
}

func TestMissingTagOfTheClusterIsNoDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := made(t, time.Hour)
		w.differing(identity.ClusterUIDKind)
		w.inspect()
		w.did()
		w.inspect()
		assert.Equal(t, "Differs AROA1, Ensure AROA1", w.did(), "it is written")
		assert.Empty(t, w.drift)
		assert.Empty(t, w.events)
		assert.NotContains(t, w.logged.String(), "drift")
	})
}

func TestDeletedRoleIsMadeAnewAtTheSecondLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := made(t, time.Hour)
		w.differing("role")
		w.inspect()
		w.did()
		w.answers = []ensured{{err: identity.ErrRoleGone}, created("AROA2")}
		_, anew := w.inspect()
		assert.True(t, anew, "its credentials are worth nothing any more")
		assert.Equal(t, "Differs AROA1, Ensure AROA1, ForgetRole, Ensure ", w.did())
		assert.Equal(t, []string{"role"}, w.drift)
		assert.Len(t, w.events, 1, "it is no new role to the user")
		_, recent := w.m.Recent(w.want)
		assert.True(t, recent)
		w.differs = ensured{}
		w.inspect()
		assert.Equal(t, "Differs AROA2", w.did(), "whatever a cache still says")
	})
}

func TestRoleThatWasMadeAnewButNotFinishedIsRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := made(t, time.Hour)
		w.differing("role")
		w.inspect()
		half := created("AROA2")
		half.err = errAway
		w.answers = []ensured{{err: identity.ErrRoleGone}, half}
		_, _, err := w.m.Inspect(t.Context(), w.want, "AROA1")
		require.ErrorIs(t, err, errAway)
		assert.Equal(t, "AROA2", w.m.ID(app, "AROA1"))
		_, recent := w.m.Recent(w.want)
		assert.False(t, recent)
	})
}

func TestFailedInspectionStaysDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := made(t, time.Hour)
		next, _ := w.inspect()
		time.Sleep(next)
		w.differs.err = errAway
		_, _, err := w.m.Inspect(t.Context(), w.want, "AROA1")
		require.ErrorIs(t, err, errAway)
		w.assertPlanned(0)
	})
}

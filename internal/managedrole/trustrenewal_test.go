package managedrole

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/identity"
)

// outdated is the answer of Differs for a role that an earlier version made.
var outdated = ensured{role: identity.Role{ARN: roleARN, ID: "AROA1", TrustRenewed: true}}

func TestTrustPolicyOfAnEarlierVersionIsRenewedAtTheFirstLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := made(t, time.Hour)
		w.differs, w.answers = outdated, []ensured{outdated}
		next, created := w.inspect()
		assert.False(t, created, "sessions keep their names")
		assert.GreaterOrEqual(t, next, driftInterval*9/10)
		w.assertPlanned(next)
		assert.Equal(t, "Differs AROA1, Ensure AROA1", w.did())
		require.Len(t, w.events, 1)
		assert.Contains(t, w.events[0], "Normal RoleUpdated: ")
		assert.Empty(t, w.drift, "that is nobody's change")
	})
}

func TestTrustPolicyOfAnEarlierVersionIsRenewedTogetherWithDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := made(t, time.Hour)
		w.differing("policy")
		w.differs.role.TrustRenewed, w.answers[0].role.TrustRenewed = true, true
		next, _ := w.inspect()
		assert.Equal(t, 20*time.Second, next)
		assert.Equal(t, "Differs AROA1", w.did())
		w.inspect()
		assert.Equal(t, []string{"policy"}, w.drift)
		require.Len(t, w.events, 2)
		assert.Contains(t, w.events[0], "Warning RoleDriftCorrected: ")
		assert.Contains(t, w.events[1], "Normal RoleUpdated: ")
	})
}

func TestFailedRenewalOfATrustPolicyIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := made(t, time.Hour)
		next, _ := w.inspect()
		time.Sleep(next)
		w.differs, w.answers = outdated, []ensured{{err: errAway}}
		_, _, err := w.m.Inspect(t.Context(), w.want, "AROA1")
		require.ErrorIs(t, err, errAway)
		assert.Empty(t, w.events)
		w.assertPlanned(0)
	})
}

func TestRoleThatIsDeletedBeforeItsTrustPolicyIsRenewedIsMadeAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := made(t, time.Hour)
		w.differs, w.answers = outdated, []ensured{{err: identity.ErrRoleGone}, created("AROA2")}
		_, anew := w.inspect()
		assert.True(t, anew, "its credentials are worth nothing any more")
		assert.Equal(t, "Differs AROA1, Ensure AROA1, ForgetRole, Ensure ", w.did())
		assert.Equal(t, "AROA2", w.m.ID(app, "AROA1"))
		_, recent := w.m.Recent(w.want)
		assert.True(t, recent)
	})
}

func TestTrustPolicyThatIsLeftOutdatedIsWarnedOfAtEachInspection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := made(t, time.Hour)
		w.differs.role = identity.Role{ARN: roleARN, ID: "AROA1", TrustOutdated: "why"}
		for range 5 {
			w.events = nil
			next, _ := w.inspect()
			assert.Equal(t, []string{"Warning TrustPolicyOutdated: why"}, w.events)
			assert.Equal(t, "Differs AROA1", w.did(), "nothing is written")
			w.events = nil
			w.inspect()
			assert.Empty(t, w.events, "it was said a moment ago")
			w.did()
			time.Sleep(next)
		}
	})
}

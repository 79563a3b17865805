package broker

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/refresh"
)

func TestRoleThatIsNotPermittedIsNotAssumed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.refused = []string{account + "app"}
		w.serve()
		assert.Empty(t, w.did(), "STS is not asked")
		assert.Equal(t, []event{{true, true, "RoleNotPermitted", "the namespace may not use " + account + "app"}}, w.told())
		assert.Equal(t, "RoleNotPermitted", w.shown().Reason)
		assert.False(t, w.shown().Ready)
		assert.Equal(t, []string{"serviceaccount Missing error"}, w.metrics)

		w.refused = nil
		w.serve()
		assert.Equal(t, "Assume Apply", w.did(), "permitted after all")
	})
}

func TestCredentialsThatAreNoLongerPermittedAreRevoked(t *testing.T) {
	for name, happen := range map[string]func(*world){
		"fresh ones":                            func(*world) {},
		"old ones":                              func(*world) { time.Sleep(50 * time.Minute) },
		"of a role that is no longer asked for": func(w *world) { w.asked.Role.Name = "other" },
		"of an object that makes no sense now":  func(w *world) { w.desiredErr = errInvalid },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.serve()
				happen(w)
				w.did()
				w.told()
				w.refused = []string{account + "app"}
				w.serve()
				assert.Equal(t, "Remove", w.did())
				assert.Equal(t, "RoleNotPermitted", w.told()[0].reason)
				assert.Empty(t, w.shown().RoleARN)
			})
		})
	}
}

func TestEditedSecretOfARoleThatIsNotPermittedIsRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.serve()
		w.change(func(s *refresh.State) { s.Edited, s.RoleARN = true, account+"harmless" })
		w.did()
		w.refused = []string{account + "app"}
		w.serve()
		assert.Equal(t, "Remove", w.did())
	})
}

func TestChangeToARoleThatIsNotPermittedKeepsTheLastGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.serve()
		w.did()
		w.asked.Role.Name = "other"
		w.refused = []string{account + "other"}
		w.serve()
		assert.Empty(t, w.did())
		assert.True(t, w.have[app].Exists)
		time.Sleep(45 * time.Minute)
		w.serve()
		assert.Equal(t, "Assume Apply", w.did(), "and keep it fresh")
		assert.Equal(t, account+"app", w.have[app].RoleARN)
		w.serve()
		assert.Empty(t, w.did(), "and the change is tried again")
	})
}

func TestManagedRoleHasToBePermittedBeforeItIsCreated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.asked.Role, w.asked.Managed = identity.RoleReference{}, &identity.ManagedRole{Policy: "{}"}
		w.refused = []string{own.String()}
		w.serve()
		assert.Empty(t, w.did())
		assert.Equal(t, "RoleNotPermitted", w.told()[0].reason)
	})
}

func TestUnknownRulesRevokeNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.serve()
		w.did()
		w.permitErr = errors.New("the API server is away")
		again, err := w.sync()
		require.ErrorIs(t, err, w.permitErr)
		assert.Positive(t, again)
		assert.Empty(t, w.did())
		assert.True(t, w.have[app].Exists)

		delete(w.have, app)
		_, err = w.sync()
		require.ErrorIs(t, err, w.permitErr)
		assert.Empty(t, w.did(), "and nothing is handed out")
	})
}

func TestRulesThatChangeDuringAssumeRoleCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.onAssume = func() { w.refused = []string{account + "app"} }
		w.serve()
		assert.Equal(t, "Assume", w.did())
		assert.Empty(t, w.have, "nothing is handed out")
		assert.Equal(t, "RoleNotPermitted", w.shown().Reason)
	})
}

func TestCredentialsThatAssumeRoleNoLongerGrantsAreRevoked(t *testing.T) {
	for name, happen := range map[string]func(*world){
		"of the role":          func(*world) {},
		"of an edited Secret":  func(w *world) { w.change(func(s *refresh.State) { s.Edited = true }) },
		"of the last good one": func(w *world) { w.desiredErr = errInvalid },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.serve()
				time.Sleep(45 * time.Minute)
				happen(w)
				w.assumeErr = &identity.InvalidError{Reason: "RoleNotPermitted", Message: "it is the controller's own"}
				assert.GreaterOrEqual(t, w.serve(), 10*time.Minute)
				assert.False(t, w.have[app].Exists)
			})
		})
	}
}

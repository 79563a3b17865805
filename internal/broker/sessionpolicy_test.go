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

const limitA, limitB = `{"a":"session policy"}`, `{"a":"wider one"}`

// limited is a world of an identity whose sessions are limited by limitA.
func limited(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.asked.SessionPolicy = limitA
	return w
}

func refusesLimitB(want identity.Desired) error {
	if want.SessionPolicy == limitB {
		return errors.New("PackedPolicyTooLarge: Packed policy consumes 120% of allotted space, please use smaller policy")
	}
	return nil
}

// sessionPolicies returns the session policies of all sessions that were asked for since it was
// last asked.
func (w *world) sessionPolicies() (all []string) {
	for _, want := range w.assumed {
		all = append(all, want.SessionPolicy)
	}
	w.assumed = nil
	return all
}

func TestChangedSessionPolicyIsUsedAtOnce(t *testing.T) {
	for name, next := range map[string]string{"another": limitB, "removed": ""} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := limited(t)
				w.serve()
				w.asked.SessionPolicy = next
				w.serve()
				assert.Equal(t, []string{limitA, next}, w.sessionPolicies())
				w.serve()
				assert.Empty(t, w.sessionPolicies(), "once")
			})
		})
	}
}

func TestLastGoodIsRenewedUnderItsOwnSessionPolicy(t *testing.T) {
	for name, change := range map[string]func(*world){
		"refused by STS":        func(w *world) { w.asked.SessionPolicy, w.refuses = limitB, refusesLimitB },
		"malformed":             func(w *world) { w.asked.SessionPolicy, w.desiredErr = "", errInvalid },
		"another annotation is": func(w *world) { w.asked.Role, w.desiredErr = identity.RoleReference{}, errInvalid },
		"a role that is misspelt": func(w *world) {
			w.asked.Role.Name, w.refuses = "typo", func(want identity.Desired) error { return denies(want, "typo") }
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := limited(t)
				w.serve()
				w.sessionPolicies()
				good := w.have[app]
				change(w)
				w.Broker = New(w.Config) // what was last good survives a restart
				w.live(6 * time.Hour)
				assert.Equal(t, good.SpecHash, w.have[app].SpecHash)
				assert.JSONEq(t, limitA, w.have[app].SessionPolicy)
				assert.NotContains(t, w.sessionPolicies(), "", "no session is without a limit")
			})
		})
	}
}

func denies(want identity.Desired, role string) error {
	if want.Role.Name == role {
		return errDenied
	}
	return nil
}

func TestLastGoodWithoutItsSessionPolicyIsNotRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, recorded := range []string{"", limitB} {
			w := limited(t)
			w.serve()
			w.sessionPolicies()
			w.change(func(have *refresh.State) { have.SessionPolicy = recorded })
			w.desiredErr = errInvalid
			time.Sleep(45 * time.Minute)
			_, err := w.sync()
			require.NoError(t, err)
			assert.Empty(t, w.sessionPolicies(), "a limit that is not known is not dropped")
			assert.True(t, w.have[app].Exists, "what there is runs out by itself")

			w.desiredErr = nil
			w.serve()
			assert.Equal(t, []string{limitA}, w.sessionPolicies())
		}
	})
}

func TestSessionPolicyOfAManagedRoleNeedsNoIAM(t *testing.T) {
	for name, disabled := range map[string]error{"": nil, "and no provisioning": errNotPermitted} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := asking(t)
				w.serve()
				w.serve()
				time.Sleep(10 * time.Minute) // the role is no new one any more
				w.did()
				w.disabledErr, w.ensureErr = disabled, errIAM
				w.asked.SessionPolicy = limitA
				_, err := w.syncFast()
				require.NoError(t, err)
				assert.Equal(t, "Assume Apply", w.did())
				assert.JSONEq(t, limitA, w.have[app].SessionPolicy)
				assert.Equal(t, "AROA1", w.have[app].RoleID)
			})
		})
	}
}

func TestRefusedManagedRoleIsEnsuredUnderAnotherSessionPolicy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := asking(t)
		w.serve()
		time.Sleep(10 * time.Minute) // the role is no new one any more
		w.assumeErr, w.asked.SessionPolicy = errDenied, limitA
		_, err := w.syncFast()
		require.Error(t, err)
		_, err = w.syncFast()
		require.ErrorIs(t, err, errNeedsIAM, "its trust policy may have been changed")
	})
}

package externalid

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/refresh"
)

func TestCheckCountsOnceTheRoleIsSeenToRefuseAfterItWasAssumed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, identity.CheckAll)
		at, err := w.Check(t.Context(), w.want)
		require.NoError(t, err)
		w.want.Proven = at
		w.open = true // it was not seen everywhere, and refused everybody
		err = w.Confirm(t.Context(), w.want, elsewhere.String())
		assert.Equal(t, api.ExternalIDNotEnforced, identity.ReasonOf(err))
		_, err = w.Check(t.Context(), w.want)
		assert.Equal(t, api.ExternalIDNotEnforced, identity.ReasonOf(err), "nothing was remembered")
		assert.Equal(t, "app app app", w.did())
	})
}

func TestCheckCountsFromBeforeTheRoleWasAssumed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, identity.CheckAll)
		at, err := w.Check(t.Context(), w.want)
		require.NoError(t, err)
		w.want.Proven = at
		time.Sleep(time.Minute)
		require.NoError(t, w.Confirm(t.Context(), w.want, elsewhere.String()))
		again, err := w.Check(t.Context(), w.want)
		require.NoError(t, err)
		assert.Equal(t, at, again)
	})
}

func TestCheckIsNotConfirmedDuringAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, identity.CheckAll)
		w.want.Proven = time.Now()
		w.enforcesErr = errAway
		require.ErrorIs(t, w.Confirm(t.Context(), w.want, elsewhere.String()), errAway)
		w.enforcesErr = nil
		w.did()
		w.check()
		assert.Equal(t, "app app", w.did())
	})
}

func TestNothingIsConfirmedThatWasNotChecked(t *testing.T) {
	w := newWorld(t, identity.CheckNone)
	w.open = true
	require.NoError(t, w.Confirm(t.Context(), w.want, elsewhere.String()))
	w.note(app, check{role: elsewhere.String(), at: time.Now()})
	require.NoError(t, w.Confirm(t.Context(), w.want, elsewhere.String()))
	assert.Empty(t, w.did())
}

func TestCheckIsForgotten(t *testing.T) {
	for name, forget := range map[string]func(*world){
		"with its identity": func(w *world) { w.Forget(app) },
		"by a new leader":   func(w *world) { w.Begin() },
		"by a new process":  func(w *world) { w.Checker = New(w, identity.CheckAll, w.logger) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, identity.CheckAll)
				w.check()
				w.did()
				forget(w)
				w.check()
				assert.Equal(t, "app app", w.did())
			})
		})
	}
}

func TestOneCheckIsRememberedOfEachIdentity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, identity.CheckAll)
		for i := range 1000 {
			w.want.Role.Name = fmt.Sprint("role-", i)
			w.check()
		}
		assert.Len(t, w.checks, 1, "an object that asks for one role after the other fills no memory")
		w.want.Name = "other"
		w.check()
		assert.Len(t, w.checks, 2)
		w.Forget(app)
		assert.Len(t, w.checks, 1)
		w.open = true
		w.want.Role.Name = "open"
		_, err := w.Check(t.Context(), w.want)
		require.Error(t, err)
		assert.Empty(t, w.checks, "nor does what is refused")
	})
}

func TestFreshCredentialsAreIssuedAnewOnlyWhereAllHaveToBeChecked(t *testing.T) {
	checked, unchecked := refresh.State{Exists: true, Proven: time.Now()}, refresh.State{Exists: true}
	assert.True(t, newWorld(t, identity.CheckAll).Reissue(unchecked))
	assert.False(t, newWorld(t, identity.CheckAll).Reissue(checked))
	assert.False(t, newWorld(t, identity.CheckOtherAccounts).Reissue(unchecked), "an upgrade renews nothing")
	assert.False(t, newWorld(t, identity.CheckNone).Reissue(unchecked))
}

func TestCredentialsOfARoleThatFailsTheCheckAreRevoked(t *testing.T) {
	w := newWorld(t, identity.CheckNone)
	this := refresh.State{Exists: true, SpecHash: w.want.SpecHash()}
	proven, other, edited := this, this, this
	proven.Proven = time.Now()
	other.SpecHash, other.Proven = "of another role", time.Now()
	edited.SpecHash, edited.Edited = "of another role", true
	for name, tc := range map[string]struct {
		have                refresh.State
		byDefault, underAll bool
	}{
		"checked once":                {proven, true, true},
		"issued before the upgrade":   {this, false, true},
		"of what was asked before":    {other, false, false},
		"in a Secret that was edited": {edited, true, true},
		"none":                        {refresh.State{}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, tc.byDefault, newWorld(t, identity.CheckOtherAccounts).Revokes(w.want, tc.have))
			assert.Equal(t, tc.underAll, newWorld(t, identity.CheckAll).Revokes(w.want, tc.have))
		})
	}
}

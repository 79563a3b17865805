package sts

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/awserr"
	"kube-aws-iam-controller/internal/awssim"
	"kube-aws-iam-controller/internal/identity"
)

var (
	errAway    = &awserr.CredentialsError{Source: "nowhere"}
	errRefused = errors.New("AccessDenied")
)

func TestSTSThatIsAwayIsAskedOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a availability
		for range unavailableAfter {
			require.NoError(t, a.away(time.Now()), "it may be a few requests that fail")
			a.note(errAway)
		}
		require.ErrorIs(t, a.away(time.Now()), errAway)
		asked := 0
		for range 600 {
			time.Sleep(100 * time.Millisecond)
			if a.away(time.Now()) == nil {
				asked++
				a.note(errAway)
			}
		}
		assert.Equal(t, 60, asked)

		time.Sleep(time.Second)
		require.NoError(t, a.away(time.Now()))
		a.note(nil)
		for range unavailableAfter {
			require.NoError(t, a.away(time.Now()), "it is back")
			a.note(errAway)
		}
		assert.Error(t, a.away(time.Now()))
	})
}

func TestSTSThatRefusesIsNotAway(t *testing.T) {
	var a availability
	for i := range 10 * unavailableAfter {
		require.NoError(t, a.away(time.Now()))
		if a.note(errAway); i%unavailableAfter == unavailableAfter-2 {
			a.note(errRefused)
		}
	}
}

func TestAnOutageCostsFewRequests(t *testing.T) {
	w := newWorld(t, awssim.Options{})
	w.app("app")
	a := w.assumer(w.asRole(), Options{})
	w.Set(awssim.Settings{Faults: &[]awssim.Fault{{Action: "AssumeRole", Code: "ServiceUnavailable"}}})
	_, first := a.Assume(t.Context(), wanting(t, "app"))
	for range 10 * unavailableAfter {
		_, err := a.Assume(t.Context(), wanting(t, "app"))
		require.ErrorIs(t, err, identity.ErrOutage)
		require.EqualError(t, err, first.Error())
	}
	assert.Less(t, w.Counts()["AssumeRole"], 5*unavailableAfter)

	w.Set(awssim.Settings{Faults: &[]awssim.Fault{}})
	assert.Eventually(t, func() bool {
		_, err := a.Assume(t.Context(), wanting(t, "app"))
		return err == nil
	}, time.Minute, 10*time.Millisecond)
	for range 10 {
		_, err := a.Assume(t.Context(), wanting(t, "app"))
		require.NoError(t, err)
	}
}

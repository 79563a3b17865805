package sts

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
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
		for range awayAfter {
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
		for range awayAfter {
			require.NoError(t, a.away(time.Now()), "it is back")
			a.note(errAway)
		}
		assert.Error(t, a.away(time.Now()))
	})
}

func TestSTSThatRefusesIsNotAway(t *testing.T) {
	var a availability
	for i := range 10 * awayAfter {
		require.NoError(t, a.away(time.Now()))
		if a.note(errAway); i%awayAfter == awayAfter-2 {
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
	for range 10 * awayAfter {
		_, err := a.Assume(t.Context(), wanting(t, "app"))
		require.ErrorIs(t, err, identity.ErrOutage)
		require.EqualError(t, err, first.Error())
	}
	assert.Less(t, w.Counts()["AssumeRole"], 5*awayAfter)

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

func TestOnlyWhatIsSentTakesTheControllersCredentials(t *testing.T) {
	w := newWorld(t, awssim.Options{})
	creds, retrieved := w.asRole(), 0
	cfg := configFor(w.URL(), creds)
	cfg.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		retrieved++ // a call to AWS, where the controller's own session has expired
		return creds, nil
	})
	a, err := New(cfg, withQPS(Options{}))
	require.NoError(t, err)
	w.Set(awssim.Settings{Faults: &[]awssim.Fault{{Action: "AssumeRole", Code: "ServiceUnavailable"}}})
	for range 2 * awayAfter {
		_, err := a.Assume(t.Context(), wanting(t, "app"))
		require.ErrorIs(t, err, identity.ErrOutage)
	}
	assert.Equal(t, len(w.Calls()), retrieved)
}

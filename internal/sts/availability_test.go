package sts

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/awserr"
)

var (
	errAway      = &awserr.CredentialsError{Source: "nowhere"}
	errRefused   = &smithy.GenericAPIError{Code: "AccessDenied"}
	errCancelled = &smithy.OperationError{ServiceID: "STS", Err: context.Canceled}
)

// answering returns a request that fails with err, and counts in asked.
func answering(err error, asked *int) func() error {
	return func() error {
		*asked++
		return err
	}
}

// hanging returns a request that fails with err, but not at once.
func hanging(after time.Duration, err error) func() error {
	return func() error {
		time.Sleep(after)
		return err
	}
}

// goAway has a be that of an STS that has just not served unavailableAfter requests.
func goAway(t *testing.T, a *availability) {
	t.Helper()
	asked := 0
	for range unavailableAfter {
		require.ErrorIs(t, a.ask(answering(errAway, &asked)), errAway)
	}
	require.Equal(t, unavailableAfter, asked, "it may be a few requests that fail")
}

func TestSTSThatIsAwayIsAskedOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a availability
		goAway(t, &a)
		asked := 0
		require.ErrorIs(t, a.ask(answering(nil, &asked)), errAway)
		for range 600 {
			time.Sleep(100 * time.Millisecond)
			require.ErrorIs(t, a.ask(answering(errAway, &asked)), errAway)
		}
		assert.Equal(t, 60, asked)

		time.Sleep(time.Second)
		require.NoError(t, a.away(time.Now()))
		require.NoError(t, a.ask(answering(nil, &asked)))
		goAway(t, &a)
		require.ErrorIs(t, a.away(time.Now()), errAway)
	})
}

func TestSTSThatRefusesIsNotAway(t *testing.T) {
	var a availability
	asked := 0
	for range 10 {
		for range unavailableAfter - 1 {
			require.ErrorIs(t, a.ask(answering(errAway, &asked)), errAway)
		}
		require.ErrorIs(t, a.ask(answering(errRefused, &asked)), errRefused)
	}
	assert.Equal(t, 10*unavailableAfter, asked)
}

func TestOneProbeAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a availability
		goAway(t, &a)
		asked := 0
		for probe := range 5 {
			time.Sleep(probeInterval)
			go func() { _ = a.ask(hanging(29*time.Second+time.Second/2, errAway)) }()
			synctest.Wait()
			for range 29 {
				time.Sleep(time.Second)
				require.ErrorIs(t, a.ask(answering(nil, &asked)), errAway, "probe %d hangs", probe)
				require.ErrorIs(t, a.away(time.Now()), errAway)
			}
		}
		time.Sleep(time.Second)
		assert.Zero(t, asked)
		require.NoError(t, a.ask(answering(nil, &asked)), "none is in flight")
	})
}

func TestAProbeThatEndsInAnyWayMakesRoomForTheNext(t *testing.T) {
	for name, probe := range map[string]func(*availability){
		"served":    func(a *availability) { _ = a.ask(func() error { return nil }) },
		"failed":    func(a *availability) { _ = a.ask(func() error { return errAway }) },
		"cancelled": func(a *availability) { _ = a.ask(func() error { return errCancelled }) },
		"panicked":  func(a *availability) { assert.Panics(t, func() { _ = a.ask(func() error { panic("no") }) }) },
		"exited": func(a *availability) {
			done := make(chan struct{})
			go func() {
				defer close(done)
				_ = a.ask(func() error { runtime.Goexit(); return nil })
			}()
			<-done
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var a availability
				goAway(t, &a)
				time.Sleep(probeInterval)
				probe(&a)
				time.Sleep(probeInterval)
				asked := 0
				_ = a.ask(answering(nil, &asked))
				assert.Equal(t, 1, asked)
			})
		})
	}
}

func TestACancelledRequestTellsNothingOfSTS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a availability
		goAway(t, &a)
		time.Sleep(probeInterval)
		require.ErrorIs(t, a.ask(func() error { return errCancelled }), context.Canceled)
		require.ErrorIs(t, a.away(time.Now()), errAway, "it did not answer")
	})
}

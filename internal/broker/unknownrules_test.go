package broker

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/status"
)

// errRules is why it is not known whether a role is permitted.
var errRules = fmt.Errorf("the account of the controller is not known: %w", identity.ErrOutage)

func TestDueRenewalThatRulesKeepWaitingIsReported(t *testing.T) {
	for name, happen := range map[string]func(*world){
		"of what is asked for":  func(*world) {},
		"of what was last good": func(w *world) { w.desiredErr = errInvalid },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.serve()
				w.told()
				w.metrics = nil
				happen(w)
				w.permitErr = errRules
				_, err := w.sync()
				require.ErrorIs(t, err, errRules)
				assert.Empty(t, w.told(), "nothing is due yet")

				time.Sleep(45 * time.Minute)
				w.did()
				_, err = w.sync()
				require.ErrorIs(t, err, errRules)
				assert.Empty(t, w.did())
				require.Len(t, w.told(), 1)
				assert.Equal(t, []string{"serviceaccount NearExpiry error"}, w.metrics)
				assert.Equal(t, status.Degraded, w.state())
				assert.Equal(t, "GetCredentialsFailed", w.shown().Reason)
			})
		})
	}
}

func TestIdentitiesThatRulesKeptWaitingAreWokenAfterAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for _, name := range []string{"a", "b"} {
			w.others(name)
		}
		time.Sleep(2 * time.Hour)
		w.permitErr = errRules
		for _, name := range []string{"a", "b"} {
			_, err := w.Sync(t.Context(), named(name), true)
			require.ErrorIs(t, err, errRules)
		}
		w.permitErr = nil
		assert.Equal(t, []identity.Key{named("b")}, w.others("a"))
	})
}

func TestExpiredCredentialsOfARefusedChangeAreRenewedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.serve()
		time.Sleep(2 * time.Hour)
		w.asked.Role.Name = "controller"
		w.refuses = func(want identity.Desired) error {
			if want.Role.Name == "controller" {
				return &identity.InvalidError{Reason: "RoleNotPermitted", Message: "it is the controller's own role"}
			}
			return nil
		}
		again := w.serve()
		require.Positive(t, again)
		assert.LessOrEqual(t, again, time.Second)
		time.Sleep(again)
		w.serve()
		assert.True(t, w.have[app].Valid(time.Now()), "the last good role works")
		assert.Equal(t, account+"app", w.have[app].RoleARN)
	})
}

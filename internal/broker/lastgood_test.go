package broker

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/refresh"
	"kube-aws-iam-controller/internal/status"
)

var (
	errTooLong = errors.New("ValidationError: The requested DurationSeconds exceeds the MaxSessionDuration set for this role")
	errIAM     = &identity.StepError{Reason: api.ProvisionFailed, Message: "Failed to provision role 'x': ServiceFailure"}
)

// refusals are changes that AWS refuses, and how their cause is fixed.
var refusals = map[string]struct {
	start        func(*testing.T) *world
	change, mend func(*world)
}{
	"a role that is misspelt": {
		func(t *testing.T) *world { t.Helper(); return newWorld(t) },
		func(w *world) {
			w.asked.Role.Name = "typo"
			w.refuses = func(want identity.Desired) error {
				if want.Role.Name == "typo" {
					return errDenied
				}
				return nil
			}
		},
		func(w *world) { w.asked.Role.Name = "renamed" },
	},
	"a session longer than the role allows": {
		func(t *testing.T) *world { t.Helper(); return newWorld(t) },
		func(w *world) {
			w.asked.SessionDuration = 12 * time.Hour
			w.refuses = func(want identity.Desired) error {
				if want.SessionDuration > time.Hour {
					return errTooLong
				}
				return nil
			}
		},
		func(w *world) { w.refuses = nil },
	},
	"a session policy that STS refuses": {
		limited,
		func(w *world) { w.asked.SessionPolicy, w.refuses = limitB, refusesLimitB },
		func(w *world) { w.refuses = nil },
	},
	"a policy that IAM refuses": {
		asking,
		func(w *world) { w.asked.Managed, w.ensureErr = &identity.ManagedRole{Policy: "[]"}, errIAM },
		func(w *world) { w.ensureErr = nil },
	},
	"a valid policy while IAM is away": {
		asking,
		func(w *world) {
			w.asked.Managed, w.ensureErr = &identity.ManagedRole{Policy: "[]"}, errors.New("503 Service Unavailable")
		},
		func(w *world) { w.ensureErr = nil },
	},
	"a managed role in place of an existing one, which IAM refuses": {
		func(t *testing.T) *world { t.Helper(); return newWorld(t) },
		func(w *world) {
			w.asked.Role, w.asked.Managed, w.ensureErr = identity.RoleReference{}, &identity.ManagedRole{Policy: "{}"}, errIAM
		},
		func(w *world) { w.ensureErr = nil },
	},
	"a role that must ask for the external ID and does not": {
		func(t *testing.T) *world {
			t.Helper()
			w := newWorld(t)
			w.requireExternalID(identity.CheckAll)
			return w
		},
		func(w *world) { w.asked.Role.Name, w.openRole = "open", "open" },
		func(w *world) { w.openRole = "" },
	},
}

func TestRefusedChangeKeepsTheLastGoodFresh(t *testing.T) {
	for name, tc := range refusals {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := tc.start(t)
				w.serve()
				w.serve()
				good := w.have[app]
				tc.change(w)
				w.live(6 * time.Hour)
				assert.Equal(t, good.RoleARN, w.have[app].RoleARN)
				assert.Equal(t, good.SpecHash, w.have[app].SpecHash, "what they were issued for")
				assert.Equal(t, time.Hour, w.have[app].Session)
				assert.Equal(t, status.Degraded, w.state())
				assert.Contains(t, w.complaints(), w.shown().Reason, "the owner is told")

				tc.mend(w)
				w.live(6 * time.Minute)
				assert.NotEqual(t, good.SpecHash, w.have[app].SpecHash, "the change arrives when its cause is mended")
				assert.Equal(t, status.Ready, w.state())
			})
		})
	}
}

// live syncs the identity as the queue would, for that long. What it has may never
// run out.
func (w *world) live(d time.Duration) {
	w.t.Helper()
	failures := 0
	for end := time.Now().Add(d); time.Now().Before(end); {
		again, err := w.syncFast()
		if errors.Is(err, errNeedsIAM) {
			again, err = w.sync()
		}
		if again == confirmAfter {
			again = time.Millisecond // the Secret's own event
		}
		if err != nil {
			backoff := min(time.Second<<min(failures, 20), 5*time.Minute)
			again = sooner(again, backoff)
			failures++
		} else {
			failures = 0
		}
		require.Positive(w.t, again)
		time.Sleep(again)
		require.Greater(w.t, time.Until(w.have[app].Expiration), min(w.have[app].Session/5, 10*time.Minute), "running pods keep what they have, after %s", d-time.Until(end))
	}
}

// complaints returns the reasons of all Warnings so far.
func (w *world) complaints() (reasons []string) {
	for _, e := range w.heard {
		if e.warning {
			reasons = append(reasons, e.reason)
		}
	}
	return reasons
}

func TestRefusedChangeKeepsTheLastGoodAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tc := refusals["a policy that IAM refuses"]
		w := tc.start(t)
		w.serve()
		tc.change(w)
		time.Sleep(45 * time.Minute)
		w.Broker = New(w.Config)
		w.serve()
		assert.Equal(t, "Assume Apply", w.did()[len("AddFinalizer Ensure  Assume Apply "):], "without asking IAM first")
		w.live(2 * time.Hour)
	})
}

func TestExpiredLastGoodIsNotRenewedBeforeAChangeIsTried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.serve()
		w.did()
		time.Sleep(3 * time.Hour)
		w.asked.Role.Name = "other"
		w.serve()
		assert.Equal(t, "Assume Apply", w.did())
		assert.Equal(t, account+"other", w.have[app].RoleARN)
	})
}

func TestDeletedLastGoodRoleDoesNotDelayTheChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.serve()
		time.Sleep(45 * time.Minute)
		w.asked.Role.Name = "other"
		w.refuses = func(want identity.Desired) error {
			if want.Role.String() == account+"app" {
				return errDenied
			}
			return nil
		}
		w.serve()
		assert.Equal(t, account+"other", w.have[app].RoleARN)
		assert.Equal(t, status.Ready, w.state())
	})
}

func TestLastGoodRoleThatIsNoLongerPermittedIsRevoked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.serve()
		w.asked.Role.Name = "typo"
		w.refuses = func(identity.Desired) error { return errDenied }
		_, err := w.sync()
		require.Error(t, err)
		w.refused = []string{account + "app"}
		w.serve()
		assert.False(t, w.have[app].Exists)
	})
}

func TestInspectionDelaysNoRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := asking(t)
		w.managed.DriftInterval, w.ahead = 30*time.Second, 59*time.Minute // sessions of a minute
		w.serve()
		w.differsErr = errIAM
		w.live(6 * time.Hour)
	})
}

func TestFailedReleaseDelaysNoRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := asking(t)
		w.ahead = 59 * time.Minute
		w.serve()
		w.asked.Managed, w.asked.Role = nil, identity.RoleReference{Name: "app"}
		w.deleteErr = errIAM
		w.live(6 * time.Hour)
	})
}

func TestIdentityThatWaitsForIAMIsRenewedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := asking(t)
		w.serve()
		w.asked.Managed = &identity.ManagedRole{Policy: "[]"}
		again, err := w.syncFast()
		require.ErrorIs(t, err, errNeedsIAM)
		assert.Greater(t, again, 30*time.Minute)
		time.Sleep(again)
		again, err = w.syncFast()
		require.NoError(t, err, "however long the change waits for IAM")
		assert.Equal(t, confirmAfter, again)
	})
}

func TestExistingRoleThatDeniesIsReportedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := asking(t)
		w.serve()
		w.told()
		w.asked.Managed, w.asked.Role = nil, identity.RoleReference{Name: "typo"}
		w.refuses = func(identity.Desired) error { return errDenied }
		_, err := w.sync()
		require.ErrorIs(t, err, errDenied)
		assert.Equal(t, []string{api.GetCredentialsFailed}, w.complaints(), "at once, although a managed role was made just before")
	})
}

func TestOnlyEventualConsistencyIsWaitedForSilently(t *testing.T) {
	for name, tc := range map[string]struct {
		fail  func(*world)
		quiet bool
	}{
		"STS does not know the role yet": {func(w *world) { w.assumeErr = errDenied }, true},
		"IAM does not show it yet": {func(w *world) {
			w.ensureErr, w.half = &identity.StepError{Reason: api.ProvisionFailed, Message: "m", Transient: true}, &identity.Role{ARN: own, ID: "AROA1", Created: true, Since: time.Now()}
		}, true},
		"a policy does not exist": {func(w *world) {
			w.ensureErr, w.half = errIAM, &identity.Role{ARN: own, ID: "AROA1", Created: true, Since: time.Now()}
		}, false},
		"STS throttles":                {func(w *world) { w.assumeErr = errors.New("Throttling: Rate exceeded") }, false},
		"the controller is nobody":     {func(w *world) { w.assumeErr = errors.New("no credentials") }, false},
		"the Secret cannot be written": {func(w *world) { w.applyErr = errors.New("quota") }, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := asking(t)
				tc.fail(w)
				_, err := w.sync()
				assert.Equal(t, tc.quiet, err == nil)
				assert.Equal(t, tc.quiet, len(w.complaints()) == 0)
			})
		})
	}
}

func TestLastGoodManagedRoleNeedsNoExternalIDCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := asking(t)
		w.requireExternalID(identity.CheckAll)
		w.serve()
		w.serve()
		w.did()
		w.open = true // its trust policy was changed, which is drift, and none of a tenant's
		w.desiredErr = &identity.InvalidError{Reason: api.InvalidAnnotation, Message: "no"}
		w.serve()
		assert.Empty(t, w.did(), "the credentials are fresh")
		time.Sleep(45 * time.Minute)
		w.serve()
		assert.Equal(t, "Assume Apply", w.did())
		assert.Equal(t, "AROA1", w.have[app].RoleID)

		w.change(func(have *refresh.State) { have.RoleARN = account + "another" })
		time.Sleep(45 * time.Minute)
		_, err := w.sync()
		require.ErrorContains(t, err, "under any external ID")
		assert.Contains(t, w.did(), "Prove", "a Secret does not make a role one that was made")
	})
}

func TestInvalidObjectComesBackToBeRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.asked.SessionDuration = identity.MinSession
		w.serve()
		w.desiredErr = errInvalid
		w.live(6 * time.Hour)
		assert.Equal(t, status.Degraded, w.state())
	})
}

func TestFailedLastGoodRenewalIsRetriedAlthoughTheChangeIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.serve()
		time.Sleep(45 * time.Minute)
		w.asked.Role.Name = "other"
		w.refuses = func(want identity.Desired) error {
			if want.Role.Name == "other" {
				return &identity.InvalidError{Reason: api.InvalidAnnotation, Message: "no"}
			}
			return errors.New("503 Service Unavailable")
		}
		again, err := w.sync()
		require.ErrorContains(t, err, "503", "so that the queue backs off")
		assert.Greater(t, again, time.Minute)
	})
}

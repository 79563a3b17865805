package broker

import (
	"errors"
	"fmt"
	"strings"
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

// asking is a world in which the object asks for a role of its own.
func asking(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.asked.Role, w.asked.Managed = identity.RoleReference{}, &identity.ManagedRole{Policy: "{}"}
	time.Sleep(time.Hour) // the process has been running for long
	return w
}

// lookAgain is when a role that IAM does not show is looked for again.
const lookAgain = 10 * time.Second

var errDenied = fmt.Errorf("AccessDenied: not authorized to perform sts:AssumeRole: %w", identity.ErrNotAssumable)

func TestFinalizerIsAddedBeforeTheRoleIsCreated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := asking(t)
		w.serve()
		assert.Equal(t, "AddFinalizer Ensure  Assume Apply", w.did())
		assert.Equal(t, own, w.assumed[0].Role)
		assert.Equal(t, "AROA1", w.have[app].RoleID)
		assert.Equal(t, event{reason: api.RoleCreated, message: "Created role '" + own.String() + "'"}, w.told()[0])
	})
}

func TestRefreshNeedsNoIAM(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := asking(t)
		w.serve()
		w.did()
		time.Sleep(45 * time.Minute)
		w.serve()
		assert.Equal(t, "Assume Apply", w.did())
		assert.Equal(t, "AROA1", w.have[app].RoleID)
	})
}

func TestOutageOfIAMEndsNoCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := asking(t)
		w.managed.DriftInterval = 10 * time.Minute
		w.serve()
		away := &identity.StepError{Reason: api.ProvisionFailed, Message: "IAM is away", Err: errDenied}
		w.differsErr, w.ensureErr = away, away
		for range 360 {
			time.Sleep(time.Minute)
			_, _ = w.sync()
			assert.True(t, w.have[app].Valid(time.Now()))
		}
	})
}

func TestRenewalGoesOnWithoutIAM(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := asking(t)
		w.serve()
		time.Sleep(45 * time.Minute)
		w.assumeErr = errDenied
		_, err := w.sync()
		require.ErrorIs(t, err, errDenied)
		w.did()
		w.assumeErr, w.ensureErr = nil, &identity.StepError{Reason: api.ProvisionFailed, Message: "IAM is away", Err: errDenied}
		w.serve()
		assert.Equal(t, "AddFinalizer Ensure AROA1 Assume Apply", w.did())
		assert.Equal(t, "AROA1", w.have[app].RoleID)
	})
}

func TestRefreshThatSTSDeniesEnsuresTheRole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := asking(t)
		w.serve()
		time.Sleep(45 * time.Minute)
		w.assumeErr = errDenied
		_, err := w.sync()
		require.ErrorIs(t, err, errDenied)
		w.did()
		w.assumeErr = nil
		w.serve()
		assert.Equal(t, "AddFinalizer Ensure AROA1 Assume Apply", w.did())
	})
}

func TestOnlyARoleThatSTSRefusesNeedsIAM(t *testing.T) {
	for name, tc := range map[string]struct {
		err   error
		calls string
	}{
		"STS is away":                 {errors.New("503 Service Unavailable"), "Assume Apply"},
		"the role refuses":            {errDenied, "AddFinalizer Ensure AROA1 Assume Apply"},
		"the role refuses a duration": {fmt.Errorf("ValidationError: %w", identity.ErrRoleUnfit), "AddFinalizer Ensure AROA1 Assume Apply"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := asking(t)
				w.serve()
				w.serve()
				time.Sleep(45 * time.Minute)
				w.assumeErr = tc.err
				_, err := w.syncFast()
				require.ErrorIs(t, err, tc.err)
				w.did()
				w.assumeErr = nil
				if _, err = w.syncFast(); errors.Is(err, errNeedsIAM) {
					w.did()
					_, err = w.sync()
				}
				require.NoError(t, err)
				assert.Equal(t, tc.calls, w.did())
			})
		})
	}
}

func TestRoleThatIsNotAssumableYetIsWaitedForSilently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := asking(t)
		w.assumeErr = errDenied
		begin := time.Now()
		assert.Equal(t, time.Second, w.serve())
		assert.Equal(t, "AddFinalizer Ensure  Assume", w.did())
		w.told()
		for time.Since(begin) < 2*time.Minute-10*time.Second {
			time.Sleep(w.serve())
			assert.Equal(t, "Assume", w.did(), "IAM is not asked again")
		}
		assert.Empty(t, w.told())
		assert.Empty(t, w.metrics)
		assert.Equal(t, status.Pending, w.state())
		time.Sleep(10 * time.Second)
		_, err := w.sync()
		require.ErrorIs(t, err, errDenied)
		assert.Equal(t, "AddFinalizer Ensure AROA1 Assume", w.did())
		assert.Equal(t, api.GetCredentialsFailed, w.told()[0].reason)
		w.assumeErr = nil
		w.serve()
		assert.Equal(t, status.Ready, w.state())
	})
}

func TestNoRoleIsCreatedWhileProvisioningIsDisabled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := asking(t)
		w.disabledErr = &identity.InvalidError{Reason: api.ProvisioningDisabled, Message: "set a flag"}
		assert.Equal(t, status.RepeatAfter, w.serve(), "no try mends it")
		assert.Empty(t, w.did())
		assert.Equal(t, api.ProvisioningDisabled, w.told()[0].reason)
		assert.False(t, w.held)
	})
}

func TestExistingManagedRoleIsUsedWhileProvisioningIsDisabled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := asking(t)
		w.serve()
		w.disabledErr = &identity.InvalidError{Reason: api.ProvisioningDisabled, Message: "set a flag"}
		time.Sleep(45 * time.Minute)
		w.assumeErr = errDenied
		_, err := w.sync()
		require.ErrorIs(t, err, errDenied)
		w.assumeErr = nil
		w.did()
		w.serve()
		assert.Equal(t, "Assume Apply", w.did())
		assert.Equal(t, status.Ready, w.state())
	})
}

func TestProvisioningFailuresAreReportedAndRetried(t *testing.T) {
	for name, fail := range map[string]func(*world){
		"hold": func(w *world) { w.holdErr = errDenied },
		"ensure": func(w *world) {
			w.ensureErr = &identity.StepError{Reason: api.ProvisionFailed, Message: "no", Err: errDenied}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := asking(t)
				fail(w)
				_, err := w.sync()
				require.ErrorIs(t, err, errDenied)
				assert.Equal(t, api.ProvisionFailed, w.told()[0].reason)
				assert.Empty(t, w.assumed)
			})
		})
	}
}

func TestRoleGoesBeforeTheSecretAndTheFinalizerLast(t *testing.T) {
	for name, tc := range map[string]struct {
		retain bool
		calls  string
		says   string
	}{
		"delete": {false, "Release Delete AROA1 Remove RemoveFinalizer", "Deleted the managed role"},
		"retain": {true, "Release Retain AROA1 Remove RemoveFinalizer", "Retained the managed role of this ServiceAccount, with the tag retained=true"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := asking(t)
				w.serve()
				w.did()
				w.told()
				w.asked, w.retain = nil, tc.retain
				w.serve()
				assert.Equal(t, tc.calls, w.did())
				assert.Contains(t, w.told()[0].message, tc.says)
				w.serve()
				assert.Empty(t, w.did(), "and that was all")
			})
		})
	}
}

func TestFinalizerStaysWhileTheRoleExists(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := asking(t)
		w.serve()
		w.did()
		w.asked = nil
		w.deleteErr = &identity.StepError{Reason: api.ProvisionFailed, Message: "throttled", Err: errDenied}
		_, err := w.sync()
		require.ErrorIs(t, err, errDenied)
		assert.Equal(t, "Release Delete AROA1", w.did())
		assert.True(t, w.held)
		w.deleteErr = nil
		w.serve()
		assert.False(t, w.held)
	})
}

func TestRoleThatIsNotOwnedDoesNotKeepTheFinalizer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := asking(t)
		w.serve()
		w.told()
		w.asked = nil
		w.deleteErr = &identity.StepError{Reason: api.RoleNotOwned, Message: "theirs", Err: errDenied}
		w.serve()
		assert.False(t, w.held)
		assert.Equal(t, api.RoleNotOwned, w.told()[0].reason)
	})
}

func TestRoleThatIsNotVisibleYetIsNotTakenForDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t) // the process has just begun
		w.held, w.asked = true, nil
		assert.Equal(t, lookAgain, w.serve())
		assert.True(t, w.held)
		time.Sleep(2 * time.Minute)
		w.serve()
		assert.False(t, w.held)
	})
}

func TestManagedRoleIsReleasedWhenAnotherIsUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := asking(t)
		w.serve()
		w.did()
		time.Sleep(5 * time.Minute)
		w.asked = desired()
		w.serve()
		assert.Equal(t, "Assume Apply", w.did(), "first the other role")
		assert.Empty(t, w.have[app].RoleID)
		w.serve()
		assert.Equal(t, "Delete AROA1 RemoveFinalizer", w.did())
		w.serve()
		assert.Empty(t, w.did())
	})
}

func TestMalformedAnnotationDeletesNoRole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := asking(t)
		w.serve()
		w.did()
		w.desiredErr = errInvalid
		w.serve()
		assert.Empty(t, w.did())
		time.Sleep(45 * time.Minute)
		w.serve()
		assert.Equal(t, "Assume Apply", w.did())
		assert.True(t, w.held)
	})
}

func TestUnfinishedRoleIsWaitedForSilently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := asking(t)
		w.ensureErr = &identity.StepError{Reason: api.ProvisionFailed, Message: "not yet", Err: errDenied, Transient: true}
		w.half = &identity.Role{ARN: own, ID: "AROA1", Created: true}
		assert.Equal(t, time.Second, w.serve())
		assert.Equal(t, api.RoleCreated, w.told()[0].reason)
		w.half = nil
		time.Sleep(time.Second)
		w.serve()
		assert.Empty(t, w.told())
		assert.Equal(t, "AddFinalizer Ensure  AddFinalizer Ensure AROA1", w.did())
		w.ensureErr, w.role = nil, &identity.Role{ARN: own, ID: "AROA1", Since: time.Now(), Changed: []string{"inline-policy"}}
		w.serve()
		assert.Equal(t, status.Ready, w.state())
		assert.Equal(t, api.CreateCredentials, w.told()[0].reason, "to finish it is no update")
	})
}

// forged is what a tenant wrote into the Secret, under the controller's own name.
func forged(w *world) {
	w.change(func(s *refresh.State) {
		s.RoleARN, s.Expiration = account+"somebody-elses", time.Now().Add(time.Minute)
	})
}

func TestRoleNamedByASecretIsUsedOnlyIfItIsManaged(t *testing.T) {
	for name, tc := range map[string]struct {
		prepare func(*world)
		served  bool
	}{
		"the one that was made": {func(*world) {}, true},
		"of another account": {func(w *world) {
			w.change(func(s *refresh.State) { s.RoleARN = "arn:aws:iam::999999999999:role/p/" + own.Name })
		}, true},
		"of another name":       {forged, true},
		"edited for all to see": {func(w *world) { forged(w); w.change(func(s *refresh.State) { s.Edited = true }) }, true},
		"where none are made": {func(w *world) {
			forged(w)
			w.disabledErr = &identity.InvalidError{Reason: api.ProvisioningDisabled}
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := asking(t)
				w.requireExternalID(identity.CheckAll)
				w.open = true
				w.serve()
				time.Sleep(45 * time.Minute)
				w.managed.Begin() // as after a restart
				w.assumed = nil
				tc.prepare(w)
				w.did()
				_, err := w.sync()
				if !tc.served {
					assert.Empty(t, w.assumed)
					assert.NotContains(t, w.did(), "Apply")
					return
				}
				require.NoError(t, err)
				assert.True(t, strings.HasSuffix(w.did(), "Assume Apply"), "it is renewed all the same")
				require.Len(t, w.assumed, 1)
				assert.Equal(t, own, w.assumed[0].Role)
				assert.Equal(t, own.String(), w.have[app].RoleARN)
				assert.Equal(t, time.Now().Add(time.Hour).UTC(), w.have[app].Expiration)
			})
		})
	}
}

func TestMalformedAnnotationKeepsTheRoleID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := asking(t)
		w.serve()
		w.desiredErr = &identity.InvalidError{Reason: api.InvalidAnnotation, Message: "no"}
		time.Sleep(45 * time.Minute)
		w.serve()
		assert.Equal(t, "AROA1", w.have[app].RoleID)
		assert.Equal(t, own.String(), w.have[app].RoleARN)
	})
}

func TestRoleIsDeletedWithoutFinalizerAndWithAForgedID(t *testing.T) {
	for name, harm := range map[string]func(*world){
		"finalizer": func(w *world) { w.held = false },
		"unique id": func(w *world) {
			w.managed.Begin()
			w.change(func(s *refresh.State) { s.RoleID, s.Edited = "AROAFORGED", true })
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := asking(t)
				w.serve()
				w.did()
				harm(w)
				w.asked = nil
				w.serve()
				did := w.did()
				assert.Contains(t, did, "Delete ")
				assert.NotContains(t, did, "FORGED")
			})
		})
	}
}

func TestNewLeaderDoesNotTakeAnInvisibleRoleForDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.asked, w.held = nil, true
		time.Sleep(time.Hour) // as a standby
		w.Begin()             // the leader before made a role a moment ago, which IAM does not show yet
		assert.Equal(t, lookAgain, w.serve())
		assert.True(t, w.held, "the finalizer stays until the role had time to be seen")
		time.Sleep(2 * time.Minute)
		w.serve()
		assert.False(t, w.held)
	})
}

func TestOutageOfIAMTrustsNoRoleThatASecretNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := asking(t)
		w.serve()
		time.Sleep(45 * time.Minute)
		w.managed.Begin() // as after a restart
		forged(w)
		w.assumed, w.ensureErr = nil, errIAM
		_, err := w.sync()
		require.ErrorIs(t, err, errIAM)
		assert.Empty(t, w.assumed)
	})
}

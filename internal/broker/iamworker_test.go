package broker

import (
	"errors"
	"fmt"
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

func TestWhatNeedsIAMIsLeftToASlowWorker(t *testing.T) {
	tests := map[string]func(w *world){
		"a new role":           func(*world) {},
		"another policy":       func(w *world) { w.serve(); w.asked.Managed = &identity.ManagedRole{Policy: "[]"} },
		"a look at the role":   func(w *world) { w.managed.DriftInterval = time.Second; w.serve(); w.serve(); time.Sleep(time.Second) },
		"the role goes":        func(w *world) { w.serve(); w.asked = nil },
		"another role is used": func(w *world) { w.serve(); w.asked = desired(); w.serve() },
	}
	for name, happen := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := asking(t)
				happen(w)
				w.did()
				w.told()
				w.metrics = nil
				for range 2 * renewalBurst {
					_, err := w.syncFast()
					require.ErrorIs(t, err, errNeedsIAM)
					assert.Contains(t, []string{"", "AddFinalizer"}, w.did(), "nothing else is done before its turn")
				}
				assert.Empty(t, w.told())
				assert.Empty(t, w.metrics)
				assert.Equal(t, status.Ready == w.state(), w.have[app].Exists, "nothing is wrong")
				w.serve()
				assert.NotEmpty(t, w.did(), "and no budget is spent")
			})
		})
	}
}

func TestRenewalOfAManagedRoleNeedsNoSlowWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := asking(t)
		w.serve()
		time.Sleep(45 * time.Minute)
		w.did()
		_, err := w.syncFast()
		require.NoError(t, err)
		assert.Equal(t, "Assume Apply", w.did(), "a renewal of a role of one's own")
	})
}

func TestRemovalsAreLimitedByNamespace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.asked = nil
		removed, tries := 0, 0
		remove := func(namespace string, i int) time.Duration {
			key := identity.Key{Source: identity.ServiceAccount, Namespace: namespace, Name: fmt.Sprint(i)}
			w.have[key] = refresh.State{Exists: true, Expiration: time.Now().Add(time.Hour)}
			again, err := w.syncKey(key)
			require.NoError(t, err)
			assert.Equal(t, w.did() != "", again == 0)
			tries++
			if again == 0 {
				removed++
			}
			return again
		}
		const each = 4 * time.Millisecond
		back := map[int][]int{}   // who comes back, by the number of the moment
		for i := range 250 * 60 { // a forged Secret each 4 ms
			for _, waits := range append(back[i], i) {
				if again := remove("a", waits); again > 0 {
					moment := i + int((again+each-1)/each)
					back[moment] = append(back[moment], waits)
				}
			}
			delete(back, i)
			time.Sleep(each)
		}
		assert.InDelta(t, repeatBurst+600, removed, 20)
		assert.LessOrEqual(t, tries, 250*60+600, "nobody comes back before its time")
		for i := range repeatBurst {
			assert.Zero(t, remove("b", i), "others are not concerned")
		}
	})
}

func TestNoOtherIdentityDelaysARevocation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.serve() // just now, so that this is a repeat
		for i := range 10 * repeatBurst {
			w.limits.renewals.TakeShared(identity.Key{Namespace: app.Namespace, Name: fmt.Sprint(i)}, time.Now())
		}
		w.did()
		w.refused = []string{account + "app"}
		w.serve()
		assert.Equal(t, "Remove", w.did())
	})
}

func TestFinalizerAddedInALoopIsRemovedAtALimitedRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		time.Sleep(time.Hour)
		for range 10 * renewalBurst {
			w.held = true
			w.serve()
		}
		w.asked = nil
		for range 10 * renewalBurst {
			w.held = true
			w.serve()
		}
		deleted := 0
		for _, call := range w.calls {
			if call == "Delete " {
				deleted++
			}
		}
		assert.LessOrEqual(t, deleted, renewalBurst)
	})
}

func TestRevocationsHaveALimitOfTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.serve()
		for i := range 1000 { // somebody else in the namespace is at it
			w.limits.renewals.TakeShared(identity.Key{Source: identity.ServiceAccount, Namespace: "ns", Name: fmt.Sprint(i)}, time.Now())
		}
		time.Sleep(repeatWithin)
		for i := range 1000 {
			w.limits.renewals.TakeShared(identity.Key{Source: identity.ServiceAccount, Namespace: "ns", Name: fmt.Sprint(i)}, time.Now())
		}
		w.did()
		w.refused = []string{account + "app"}
		w.serve()
		assert.Equal(t, "Remove", w.did())
		for range 2 * renewalBurst {
			w.have[app] = refresh.State{Exists: true, RoleARN: account + "app"}
			w.serve()
		}
		assert.Len(t, w.calls, renewalBurst-1, "but its own tries are bounded")
	})
}

func TestForgedExpirationIsNotUrgent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		w := newWorld(t)
		for name, tc := range map[string]struct {
			have refresh.State
			want time.Time
		}{
			"nothing":       {refresh.State{}, time.Time{}},
			"fresh":         {refresh.State{Exists: true, Expiration: now.Add(time.Hour)}, now.Add(time.Hour)},
			"about to end":  {refresh.State{Exists: true, Expiration: now.Add(time.Minute)}, now.Add(time.Minute)},
			"ended":         {refresh.State{Exists: true, Expiration: now.Add(-time.Hour)}, time.Time{}},
			"of the year 0": {refresh.State{Exists: true, Expiration: time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)}, time.Time{}},
			"edited":        {refresh.State{Exists: true, Edited: true, Expiration: now.Add(time.Minute)}, time.Time{}},
		} {
			w.have[app] = tc.have
			assert.Equal(t, tc.want, w.Deadline(app), name)
		}
	})
}

func TestIdentityThatWaitsForIAMBacksOffFromSTS(t *testing.T) {
	for name, left := range map[string]time.Duration{"early": 19 * time.Minute, "late": 3 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := asking(t)
				w.serve()
				w.serve()
				w.asked.Managed = &identity.ManagedRole{Policy: "[]"}
				time.Sleep(time.Until(w.have[app].Expiration) - left)
				w.assumeErr = errors.New("503 Service Unavailable")
				tries := len(w.assumed)
				for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); {
					again, err := w.syncFast() // its turn for IAM does not come
					require.ErrorIs(t, err, errNeedsIAM)
					assert.LessOrEqual(t, again, refresh.MaxBackoff(time.Now(), w.have[app]))
					time.Sleep(again)
				}
				assert.LessOrEqual(t, len(w.assumed)-tries, 12)
			})
		})
	}
}

func TestFailureThatIsNotRecordedYetDoesNotSpin(t *testing.T) {
	for name, happen := range map[string]func(*world){
		"while it waits for IAM": func(*world) {},
		"while rules are not known": func(w *world) {
			w.have[app] = refresh.State{Exists: true, RoleARN: account + "app", Expiration: time.Now().Add(time.Hour)}
			w.permitErr = errors.New("the API server is away")
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := asking(t)
				for i := range 2 * identityEvents { // more than may be recorded at once
					w.ensureErr = &identity.StepError{Reason: api.ProvisionFailed, Message: fmt.Sprint(i)}
					_, err := w.sync()
					require.Error(t, err)
				}
				happen(w)
				syncs := 0
				for end := time.Now().Add(10 * time.Minute); time.Now().Before(end); syncs++ {
					again, _ := w.syncFast()
					if again == 0 {
						break
					}
					time.Sleep(again)
				}
				assert.Less(t, syncs, 20)
			})
		})
	}
}

func TestStatusThatCannotBeWrittenKeepsNothingFromIAM(t *testing.T) {
	for name, tc := range map[string]struct {
		happen func(*world)
		done   func(*world) bool
	}{
		"the role is released": {
			func(w *world) { w.asked = desired(); w.serve(); time.Sleep(5 * time.Minute) },
			func(w *world) bool { return w.role == nil },
		},
		"the role is inspected": {
			func(w *world) { w.managed.DriftInterval, w.drifted = time.Minute, []string{"trust"} },
			func(w *world) bool { return w.drifted == nil },
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := asking(t)
				w.serve()
				tc.happen(w)
				w.reportErr = errors.New("denied by a webhook")
				for range 20 {
					out, err := w.Sync(t.Context(), app, false)
					require.ErrorIs(t, err, w.reportErr, "it is retried")
					if out.NeedsIAM {
						_, _ = w.sync()
					}
					time.Sleep(30 * time.Second)
				}
				assert.True(t, tc.done(w))
			})
		})
	}
}

func TestWhatPrecedesAManagedRoleFailsAtOnce(t *testing.T) {
	for reason, fail := range map[string]func(*world){
		api.SecretConflict:  func(w *world) { w.freeErr = &identity.StepError{Reason: api.SecretConflict, Message: "taken"} },
		api.ProvisionFailed: func(w *world) { w.holdErr = errDenied },
	} {
		t.Run(reason, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := asking(t)
				fail(w)
				out, err := w.Sync(t.Context(), app, false)
				require.Error(t, err)
				assert.False(t, out.NeedsIAM)
				assert.Equal(t, []string{reason}, w.complaints())
				assert.Equal(t, []string{"serviceaccount Missing error"}, w.metrics)
			})
		})
	}
}

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
	errSTS     = errors.New("AccessDenied: not authorized to perform sts:AssumeRole")
	errInvalid = &identity.InvalidError{Reason: api.InvalidAnnotation, Message: `"a b" does not name a role`}
)

func TestMissingCredentialsAreIssued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		assert.Equal(t, confirmAfter, w.serve(), "the Secret's own event comes first")
		assert.Equal(t, "Assume Apply", w.did())
		assert.Equal(t, []identity.Desired{*desired()}, w.assumed)
		assert.Equal(t, []event{{
			reason:  "CreateCredentials",
			message: "Created credentials for role 'arn:aws:iam::123456789012:role/app', expiry time: 2000-01-01 01:00:00 +0000 UTC",
		}}, w.told())
		assert.Equal(t, []string{"serviceaccount Missing success"}, w.metrics)
		assert.Contains(t, w.logged.String(), "object=serviceaccount/ns/app role="+account+"app reason=Missing expire=2000-01-01T01:00:00Z")
		assert.Empty(t, w.statuses, "who has nothing yet goes before what there is to report")
	})
}

func TestFreshCredentialsAreLeftAloneAndReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.asked.Generation = 7
		w.serve()
		w.did()
		w.told()
		again := w.serve()
		assert.Equal(t, refresh.Next(time.Now(), w.have[app], refreshLimit), again)
		assert.Greater(t, again, 30*time.Minute)
		assert.Empty(t, w.did())
		assert.Empty(t, w.told())
		assert.Equal(t, identity.Status{
			RoleARN: account + "app", Expiration: time.Now().Add(time.Hour).UTC(), Generation: 7, Ready: true,
			Reason: "CredentialsIssued", Message: "the Secret holds valid credentials and they are kept fresh",
		}, w.shown())
	})
}

func TestEachReasonRenewsOnce(t *testing.T) {
	tests := map[string]struct {
		reason refresh.Reason
		happen func(w *world)
	}{
		"the Secret is gone":           {refresh.Missing, func(w *world) { delete(w.have, app) }},
		"its expiration is unreadable": {refresh.Unreadable, func(w *world) { w.change(func(s *refresh.State) { s.Expiration = time.Time{} }) }},
		"another role":                 {refresh.SpecChanged, func(w *world) { w.asked.Role.Name = "other" }},
		"another duration":             {refresh.SpecChanged, func(w *world) { w.asked.SessionDuration = 2 * time.Hour }},
		"another external ID":          {refresh.SpecChanged, func(w *world) { w.asked.ExternalID = "ns/renamed" }},
		"another generation":           {refresh.SpecChanged, func(w *world) { w.asked.Generation++ }},
		"another object of that name":  {refresh.SpecChanged, func(w *world) { w.asked.UID = "u2" }},
		"somebody edited the Secret":   {refresh.Edited, func(w *world) { w.change(func(s *refresh.State) { s.Edited = true }) }},
		"the end is near":              {refresh.NearExpiry, func(*world) { time.Sleep(41 * time.Minute) }},
		"the end is past":              {refresh.NearExpiry, func(*world) { time.Sleep(2 * time.Hour) }},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.serve()
				w.serve()
				w.told()
				w.did()
				w.metrics = nil
				tc.happen(w)
				had := w.have[app].Exists
				w.serve()
				assert.Equal(t, "Assume Apply", w.did())
				assert.Equal(t, []string{"serviceaccount " + string(tc.reason) + " success"}, w.metrics)
				if had {
					assert.Equal(t, []event{{
						reason: "UpdateCredentials",
						message: "Updated credentials for role '" + account + w.asked.Role.Name +
							"', expiry time: " + time.Now().Add(w.asked.SessionDuration).UTC().String(),
					}}, w.told())
				}
				assert.Equal(t, *w.asked, w.assumed[len(w.assumed)-1])
				w.serve()
				assert.Empty(t, w.did(), "once is enough")
				assert.Equal(t, status.Ready, w.state())
			})
		})
	}
}

func TestUnreadableExpirationIsAWarning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.have[app] = refresh.State{Exists: true, Unreadable: `soon`}
		w.serve()
		told := w.told()
		require.Len(t, told, 2)
		assert.Equal(t, event{
			warning: true, reason: "ReadSecretFailed", message: "Failed to parse expirary time 'soon' from secret ns/app.aws-iam: not a time",
		}, told[0])
		assert.Equal(t, "UpdateCredentials", told[1].reason)
	})
}

func TestNoticesOfSTSAreWarnings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.notice = "one hour is used instead"
		w.serve()
		told := w.told()
		require.Len(t, told, 2)
		assert.Equal(t, event{warning: true, reason: "GetCredentialsFailed", message: "one hour is used instead"}, told[1])
		assert.Equal(t, status.Ready, w.state(), "the credentials are good")
	})
}

func TestFailedRenewalKeepsTheSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.serve()
		w.did()
		w.told()
		before := w.have[app]
		time.Sleep(45 * time.Minute)
		w.assumeErr, w.metrics = errSTS, nil

		again, err := w.sync()
		require.ErrorIs(t, err, errSTS)
		message := "Failed to get credentials for role 'app': " + errSTS.Error()
		require.EqualError(t, err, message)
		assert.Equal(t, 15*time.Minute/4, again, "a quarter of what is left, at most")
		assert.Equal(t, "Assume", w.did(), "nothing is written")
		assert.Equal(t, before, w.have[app])
		assert.Equal(t, []event{{warning: true, reason: "GetCredentialsFailed", message: message}}, w.told())
		assert.Equal(t, []string{"serviceaccount NearExpiry error"}, w.metrics)
		assert.Equal(t, identity.Status{
			RoleARN: before.RoleARN, Expiration: before.Expiration, Ready: true, Reason: "GetCredentialsFailed", Message: message,
		}, w.shown())
		assert.Equal(t, status.Degraded, w.state())

		time.Sleep(20 * time.Minute)
		again, err = w.sync()
		require.Error(t, err)
		assert.Zero(t, again, "nothing is left to save: the usual back-off")
		assert.False(t, w.shown().Ready)
		assert.Equal(t, status.Failed, w.state())

		w.assumeErr = nil
		w.serve()
		assert.Equal(t, status.Ready, w.state())
		w.serve()
		assert.Equal(t, "CredentialsIssued", w.shown().Reason)
	})
}

func TestFailedStepIsReportedWithItsReason(t *testing.T) {
	step := &identity.StepError{Reason: "CreateSecretFailed", Message: "Failed to create secret ns/app.aws-iam with credentials: quota", Err: errors.New("quota")}
	tests := map[string]struct {
		fail   func(w *world)
		reason string
		calls  string
	}{
		"the name is taken": {
			func(w *world) { w.freeErr = &identity.StepError{Reason: "SecretConflict", Message: "taken"} }, "SecretConflict", "",
		},
		"STS refuses":            {func(w *world) { w.assumeErr = errSTS }, "GetCredentialsFailed", "Assume"},
		"the API server refuses": {func(w *world) { w.applyErr = step }, "CreateSecretFailed", "Assume Apply"},
		"for no known reason":    {func(w *world) { w.applyErr = errors.New("what") }, "GetCredentialsFailed", "Assume Apply"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				tc.fail(w)
				again, err := w.sync()
				require.Error(t, err)
				assert.Zero(t, again)
				assert.Equal(t, tc.calls, w.did(), "a taken name spends no call to STS")
				assert.Equal(t, []event{{warning: true, waiting: true, reason: tc.reason, message: err.Error()}}, w.told())
				assert.Equal(t, identity.Status{Reason: tc.reason, Message: err.Error()}, w.shown())
				assert.Equal(t, []string{"serviceaccount Missing error"}, w.metrics)
				assert.Equal(t, status.Failed, w.state())
			})
		})
	}
}

func TestWaitingPodsGetEventsOnlyWithoutValidCredentials(t *testing.T) {
	tests := map[string]struct {
		have    refresh.State
		waiting bool
	}{
		"none":       {refresh.State{}, true},
		"run out":    {refresh.State{Exists: true, Expiration: time.Date(1999, 12, 31, 23, 59, 59, 0, time.UTC)}, true},
		"unreadable": {refresh.State{Exists: true}, true},
		"valid":      {refresh.State{Exists: true, Expiration: time.Date(2000, 1, 1, 0, 5, 0, 0, time.UTC)}, false},
	}
	for name, tc := range tests {
		for way, fail := range map[string]func(*world){
			"Assume fails":   func(w *world) { w.assumeErr = errSTS },
			"fails":          func(w *world) { w.freeErr = errSTS },
			"Apply fails":    func(w *world) { w.applyErr = errSTS },
			"it is nonsense": func(w *world) { w.desiredErr = errInvalid },
		} {
			t.Run(name+", "+way, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t)
					w.have[app] = tc.have
					fail(w)
					_, _ = w.sync()
					told := w.told()
					require.Len(t, told, 1)
					assert.Equal(t, tc.waiting, told[0].waiting)
				})
			})
		}
	}
}

func TestAnInvalidObjectWithoutCredentialsWaitsForItsAuthor(t *testing.T) {
	tests := map[string]refresh.State{
		"none were ever issued":                  {},
		"the predecessor's Secret tells nothing": {Exists: true, RoleARN: account + "app"},
		"its role is nonsense":                   {Exists: true, RoleARN: "a b", Expiration: time.Unix(0, 0)},
		"an edited Secret is no witness":         {Exists: true, RoleARN: account + "admin", Expiration: time.Unix(0, 0), Edited: true},
	}
	for name, have := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.have[app], w.desiredErr = have, errInvalid
				for range 3 {
					again := w.serve()
					assert.Equal(t, time.Hour, again, "only a change of the object mends it; until then it is said hourly")
					assert.Equal(t, []event{{warning: true, waiting: true, reason: "InvalidAnnotation", message: errInvalid.Message}}, w.told())
					w.serve()
					assert.Empty(t, w.told(), "the same is not said twice in a minute")
					time.Sleep(again)
				}
				assert.Empty(t, w.did())
				assert.Empty(t, w.metrics)
				assert.Equal(t, have, w.have[app])
				assert.Equal(t, "InvalidAnnotation", w.shown().Reason)
				assert.Equal(t, errInvalid.Message, w.shown().Message)
				assert.False(t, w.shown().Ready)
				assert.Equal(t, status.Failed, w.state())
			})
		})
	}
}

func TestAnEditedSecretIsNotQuotedInTheStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.serve()
		w.change(func(s *refresh.State) { s.Edited, s.RoleARN = true, account+"admin" })
		w.assumeErr = errSTS
		_, err := w.sync()
		require.Error(t, err)
		assert.Empty(t, w.shown().RoleARN)
		assert.Zero(t, w.shown().Expiration)
	})
}

func TestAnInvalidChangeKeepsTheLastGoodCredentialsFresh(t *testing.T) {
	complaint := event{warning: true, reason: "InvalidAnnotation", message: errInvalid.Message}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		good := *w.asked
		good.Role = identity.RoleReference{Path: "team/", Name: "app"}
		w.asked = &good
		w.serve()
		w.told()
		w.did()
		broken := good
		broken.Role, broken.SessionDuration, broken.Generation = identity.RoleReference{}, 0, 2
		w.asked, w.desiredErr = &broken, errInvalid

		assert.Greater(t, w.serve(), 30*time.Minute, "it comes back to renew")
		assert.Equal(t, []event{complaint}, w.told())
		assert.Empty(t, w.did(), "what is fresh is left alone")
		assert.Equal(t, account+"team/app", w.shown().RoleARN)
		assert.False(t, w.shown().Ready, "what the object asks for now is not served")
		assert.Equal(t, "InvalidAnnotation", w.shown().Reason)
		assert.Equal(t, status.Degraded, w.state())

		for range 3 { // hours
			time.Sleep(45 * time.Minute)
			w.serve()
			assert.Equal(t, "Assume Apply", w.did())
			last := w.assumed[len(w.assumed)-1]
			assert.Equal(t, account+"team/app", last.Role.String())
			assert.Equal(t, time.Hour, last.SessionDuration)
			assert.Equal(t, "ns/cluster", last.ExternalID, "this is computed, never remembered")
			told := w.told()
			require.Len(t, told, 2)
			assert.Equal(t, complaint, told[0])
			assert.Equal(t, "UpdateCredentials", told[1].reason)
		}
		w.serve()
		assert.Equal(t, "InvalidAnnotation", w.shown().Reason)

		w.asked, w.desiredErr = &good, nil
		w.told()
		w.serve()
		assert.Empty(t, w.did(), "back to what it was: the credentials were issued for just that")
		assert.Empty(t, w.told())
		assert.Equal(t, "CredentialsIssued", w.shown().Reason)
		assert.Equal(t, status.Ready, w.state())
	})
}

func TestTheLastGoodCredentialsMayFailToRenewToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.serve()
		w.told()
		time.Sleep(45 * time.Minute)
		w.desiredErr, w.assumeErr = errInvalid, errSTS
		_, err := w.sync()
		require.ErrorIs(t, err, errSTS)
		told := w.told()
		require.Len(t, told, 2)
		assert.Equal(t, "InvalidAnnotation", told[0].reason)
		assert.Equal(t, "GetCredentialsFailed", told[1].reason)
		assert.Equal(t, status.Degraded, w.state())
	})
}

func TestInvalidObjectStaysDegradedAfterItsLastGoodRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.serve()
		w.desiredErr = errInvalid
		time.Sleep(45 * time.Minute)
		w.serve()
		assert.Equal(t, status.Degraded, w.state())
	})
}

func TestTheLastGoodSessionIsOneThatSTSGrants(t *testing.T) {
	for name, tc := range map[string]struct{ issued, want time.Duration }{
		"cut short by AWS": {20 * time.Second, 15 * time.Minute},
		"unknown":          {0, 15 * time.Minute},
		"as it was":        {2 * time.Hour, 2 * time.Hour},
		"too long":         {100 * time.Hour, 12 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.have[app] = refresh.State{Exists: true, RoleARN: account + "app", Expiration: time.Now(), Session: tc.issued, SpecHash: "was"}
				w.desiredErr = errInvalid
				w.serve()
				require.Len(t, w.assumed, 1)
				assert.Equal(t, tc.want, w.assumed[0].SessionDuration)
				assert.Equal(t, "was", w.have[app].SpecHash)
			})
		})
	}
}

func TestASecretIsRemovedOnlyOnPositiveEvidence(t *testing.T) {
	errAPI := errors.New("the API server is away")
	tests := map[string]struct {
		prepare func(w *world)
		calls   string
		kept    bool
		wantErr error
	}{
		"nobody asks for it":             {func(*world) {}, "Release Remove", false, nil},
		"the object is there after all":  {func(w *world) { w.keeps = true }, "Release", true, nil},
		"the API server does not answer": {func(w *world) { w.releaseErr = errAPI }, "Release", true, errAPI},
		"a yes beside an error is none":  {func(w *world) { w.keeps, w.releaseErr = false, errAPI }, "Release", true, errAPI},
		"it cannot be removed":           {func(w *world) { w.removeErr = errAPI }, "Release Remove", true, errAPI},
		"there is none":                  {func(w *world) { delete(w.have, app) }, "", false, nil},
		"the cache cannot tell":          {func(w *world) { w.desiredErr = errAPI }, "", true, errAPI},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.serve()
				w.did()
				w.told()
				w.asked = nil
				tc.prepare(w)
				again, err := w.sync()
				require.ErrorIs(t, err, tc.wantErr)
				assert.Zero(t, again)
				assert.Equal(t, tc.calls, w.did())
				assert.Equal(t, tc.kept, w.have[app].Exists)
				assert.Empty(t, w.told())
				if tc.calls == "Release Remove" && err == nil {
					assert.Contains(t, w.logged.String(), `msg="credentials removed" object=serviceaccount/ns/app role=`+account+"app")
				}
			})
		})
	}
}

func TestDeletedObjectHasNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.assumeErr = errSTS
		_, err := w.sync()
		require.Error(t, err)
		assert.Equal(t, status.Failed, w.state())
		w.asked = nil
		w.serve()
		assert.Equal(t, status.Pending, w.state())
		assert.Equal(t, []identity.Key{app}, w.forgotten)
	})
}

func TestAnUnreadableCacheChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.asked, w.desiredErr = nil, errors.New("not what it should be")
		_, err := w.sync()
		require.ErrorIs(t, err, w.desiredErr)
		assert.Empty(t, w.did())
		assert.Empty(t, w.told())
	})
}

func TestAnUnknownSourceIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		_, err := w.syncKey(identity.Key{Source: "pod", Namespace: "ns", Name: "app"})
		require.EqualError(t, err, `unknown source "pod"`)
		assert.Empty(t, w.did())
	})
}

func TestAStatusThatCannotBeWrittenIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.reportErr = errors.New("conflict")
		w.serve()
		_, err := w.sync()
		require.ErrorIs(t, err, w.reportErr)

		time.Sleep(45 * time.Minute)
		w.assumeErr = errSTS
		_, err = w.sync()
		require.ErrorIs(t, err, w.reportErr)
		require.ErrorIs(t, err, errSTS)
	})
}

func TestDeadlineIsTheExpiration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		assert.Zero(t, w.Deadline(app), "who has nothing goes first")
		w.serve()
		assert.Equal(t, time.Now().Add(time.Hour).UTC(), w.Deadline(app))
	})
}

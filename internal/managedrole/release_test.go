package managedrole

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/limit"
)

// release releases the role, by the ID that its Secret says, and returns how soon to come back.
func (w *world) release(id string) time.Duration {
	w.t.Helper()
	again, err := w.m.Release(w.t.Context(), app, id)
	require.NoError(w.t, err)
	return again
}

func TestReleasedRoleIsDeletedOrRetained(t *testing.T) {
	for name, tc := range map[string]struct {
		retain      bool
		uid         string
		call, event string
	}{
		"deleted":                   {uid: "u1", call: "Delete AROA1", event: "Normal RoleDeleted: Deleted the managed role of this ServiceAccount"},
		"retained":                  {retain: true, uid: "u1", call: "Retain AROA1", event: "Normal RoleDeleted: Retained the managed role of this ServiceAccount, with the tag retained=true"},
		"deleted, without an owner": {call: "Delete AROA1"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := made(t, time.Hour)
				w.retain, w.uid = tc.retain, tc.uid
				assert.Zero(t, w.release("AROA0"))
				assert.Equal(t, tc.call, w.did(), "by the ID that is remembered")
				if tc.event != "" {
					assert.Equal(t, []string{tc.event}, w.events)
				} else {
					assert.Empty(t, w.events, "there is no object to record it on")
				}
				assert.Contains(t, w.logged.String(), `msg="role released"`)
				w.held = false
				assert.False(t, w.m.MayExist(app))
			})
		})
	}
}

func TestRoleThatWasMadeAMomentAgoIsReleasedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := made(t, 0)
		assert.Zero(t, w.release(""))
		assert.Len(t, w.events, 1)
	})
}

func TestNothingIsReleasedWhereNoRoleMayExist(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		assert.Zero(t, w.release("AROA1"))
		assert.Empty(t, w.calls)
	})
}

func TestRoleIsReleasedByTheIDOfTheSecretAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.held = true
		w.release("AROA1")
		assert.Equal(t, "Delete AROA1", w.did())
	})
}

func TestRoleOfSomebodyElseIsLeftAloneWithAWarning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := made(t, time.Hour)
		w.endErr = &identity.StepError{Reason: api.RoleNotOwned, Message: "it is somebody else's"}
		assert.Zero(t, w.release(""), "the object is not kept for it")
		assert.Equal(t, []string{"Warning RoleNotOwned: it is somebody else's"}, w.events)
		assert.False(t, w.m.Ensured(app))
	})
}

func TestFailedReleaseIsRetried(t *testing.T) {
	for _, tc := range []struct {
		err    error
		reason string
	}{{errAway, api.ProvisionFailed}, {errors.New("odd"), api.GetCredentialsFailed}} {
		synctest.Test(t, func(t *testing.T) {
			w := made(t, time.Hour)
			w.endErr = tc.err
			_, err := w.m.Release(t.Context(), app, "")
			require.ErrorIs(t, err, tc.err)
			assert.Equal(t, []string{"Warning " + tc.reason + ": " + tc.err.Error()}, w.events)
			assert.True(t, w.m.Ensured(app))
			w.uid, w.events = "", nil
			_, err = w.m.Release(t.Context(), app, "")
			require.ErrorIs(t, err, tc.err)
			assert.Empty(t, w.events, "there is no object to record it on")
			assert.NotContains(t, w.logged.String(), "role released")
		})
	}
}

func TestRoleThatIAMDoesNotShowYetIsWaitedFor(t *testing.T) {
	for name, tc := range map[string]struct {
		prepare func(t *testing.T) *world
		waits   bool
	}{
		"made a moment ago":                     {func(t *testing.T) *world { t.Helper(); return made(t, 0) }, true},
		"made a while ago":                      {func(t *testing.T) *world { t.Helper(); return made(t, readyTimeout) }, false},
		"perhaps by the leader before this one": {func(t *testing.T) *world { t.Helper(); w := newWorld(t); w.m.Begin(); return w }, true},
		"matched by this leader, which is new": {func(t *testing.T) *world {
			t.Helper()
			w := newWorld(t)
			w.m.Begin()
			_, err := w.m.Ensure(t.Context(), w.want, "")
			require.NoError(t, err)
			return w
		}, true},
		"by nobody, for all that is known": {func(t *testing.T) *world { t.Helper(); return newWorld(t) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := tc.prepare(t)
				w.held, w.gone = true, true
				begin := time.Now()
				for again := w.release(""); again > 0; again = w.release("") {
					assert.LessOrEqual(t, again, 10*time.Second)
					time.Sleep(again)
				}
				waited := time.Duration(0)
				if tc.waits {
					waited = readyTimeout
				}
				assert.Equal(t, waited, time.Since(begin))
				assert.Empty(t, w.events, "nothing was deleted")
				assert.False(t, w.m.Ensured(app))
			})
		})
	}
}

func TestReleaseCountsAsRepeatedWorkOfTheNamespace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, requests := made(t, time.Hour), limit.NewRequests(1)
		w.onEnd = func(ctx context.Context) {
			for range 20 {
				go func() { _ = requests.Wait(ctx) }()
			}
			synctest.Wait()
		}
		w.release("")
		begin := time.Now()
		require.NoError(t, requests.Wait(t.Context()))
		assert.LessOrEqual(t, time.Since(begin), time.Second, "nobody else waits for it")
		time.Sleep(time.Minute)
	})
}

func TestFinalizerIsRemovedOnTheObject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.held = true
		require.NoError(t, w.m.RemoveFinalizer(t.Context(), app))
		assert.False(t, w.held)
	})
}

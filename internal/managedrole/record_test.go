package managedrole

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/identity"
)

func TestRoleIsRecentUntilItIsReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := made(t, 0)
		changed := w.want
		changed.SessionDuration = 2 * time.Hour
		role, recent := w.m.Recent(w.want)
		assert.True(t, recent)
		assert.Equal(t, "AROA1", role.ID)
		_, recent = w.m.Recent(changed)
		assert.False(t, recent, "it was not ensured for that")
		time.Sleep(readyTimeout - time.Nanosecond)
		_, recent = w.m.Recent(w.want)
		assert.True(t, recent)
		time.Sleep(time.Nanosecond)
		_, recent = w.m.Recent(w.want)
		assert.False(t, recent)
	})
}

func TestRoleThatMatchedIsAsOldAsIAMSays(t *testing.T) {
	for name, tc := range map[string]struct {
		age      time.Duration // by the clock of IAM
		created  bool
		changed  []string
		settling bool
	}{
		"made a while ago": {age: readyTimeout},
		"made just now":    {age: readyTimeout - time.Second, settling: true},
		"made just now, by the clock of this process": {age: readyTimeout, created: true, settling: true},
		"changed just now":                            {age: 24 * time.Hour, changed: []string{"trust"}, settling: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.answers = []ensured{{role: identity.Role{ID: "AROA1", Created: tc.created, Since: time.Now().Add(-tc.age), Changed: tc.changed}}}
				_, err := w.m.Ensure(t.Context(), w.want, "")
				require.NoError(t, err)
				_, settling := w.m.Settling(app)
				assert.Equal(t, tc.settling, settling)
			})
		})
	}
}

func TestSettlingRoleIsTriedAfterAFifthOfTheTimeItHasTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := made(t, 0)
		begin := time.Now()
		for _, tc := range []struct{ after, want time.Duration }{
			{0, time.Second},
			{2 * time.Second, time.Second},
			{6 * time.Second, 1200 * time.Millisecond},
			{20 * time.Second, 4 * time.Second},
			{60 * time.Second, 10 * time.Second},
			{readyTimeout - time.Second, 10 * time.Second},
		} {
			time.Sleep(time.Until(begin.Add(tc.after)))
			retry, is := w.m.Settling(app)
			assert.True(t, is)
			assert.Equal(t, tc.want, retry, "after %s", tc.after)
		}
		time.Sleep(time.Second)
		_, is := w.m.Settling(app)
		assert.False(t, is, "by now it should be ready")
		_, is = w.m.Settling(identity.Key{Source: identity.ServiceAccount, Namespace: "ns", Name: "other"})
		assert.False(t, is)
	})
}

func TestRoleMayExistByTheFinalizerOrByMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		assert.False(t, w.m.MayExist(app))
		w.held = true
		assert.True(t, w.m.MayExist(app), "by the finalizer")
		w.held = false
		w.answers = []ensured{created("AROA1")}
		_, err := w.m.Ensure(t.Context(), w.want, "")
		require.NoError(t, err)
		assert.False(t, w.m.MayExist(identity.Key{Source: identity.AWSIAMRole, Namespace: "ns", Name: "app"}), "those have no role of their own")
		w.held = false
		assert.True(t, w.m.MayExist(app), "somebody removed the finalizer")
		w.m.Forget(app)
		assert.False(t, w.m.MayExist(app))
	})
}

func TestNewLeaderRemembersNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := made(t, 0)
		w.held = false
		w.m.Begin()
		assert.False(t, w.m.Ensured(app))
		assert.False(t, w.m.MayExist(app))
		assert.Equal(t, "AROA2", w.m.ID(app, "AROA2"))
		_, recent := w.m.Recent(w.want)
		assert.False(t, recent)
	})
}

func TestRememberedIDTakesPrecedence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		assert.Empty(t, w.m.ID(app, ""))
		assert.Equal(t, "AROA0", w.m.ID(app, "AROA0"))
		w.answers = []ensured{created("AROA1")}
		_, err := w.m.Ensure(t.Context(), w.want, "")
		require.NoError(t, err)
		assert.Equal(t, "AROA1", w.m.ID(app, "AROA0"))
		w.m.Forget(app)
		assert.Equal(t, "AROA0", w.m.ID(app, "AROA0"))
	})
}

func TestReferenceAndDisabledAreIAMs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		role, err := w.m.Reference(t.Context(), app)
		require.NoError(t, err)
		assert.Equal(t, roleARN, role)
		require.NoError(t, w.m.Disabled())
		w.disabled = errAway
		require.ErrorIs(t, w.m.Disabled(), errAway)
		assert.Empty(t, w.calls)
	})
}

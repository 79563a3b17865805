package broker

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestMalformedRuleWithdrawsNothing(t *testing.T) {
	for name, start := range map[string]func(*testing.T) *world{
		"an existing role": func(t *testing.T) *world { t.Helper(); return newWorld(t) },
		"a managed role":   asking,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := start(t)
				w.serve()
				w.serve()
				good := w.have[app]
				w.did()
				w.told()
				w.refused, w.ruleMalformed = []string{good.RoleARN}, true
				w.live(6 * time.Hour)
				assert.Equal(t, good.RoleARN, w.have[app].RoleARN)
				assert.True(t, w.have[app].Valid(time.Now()), "what was issued before stays fresh")
				assert.NotContains(t, w.did(), "Remove")
				assert.Equal(t, "RoleNotPermitted", w.told()[0].reason)

				w.ruleMalformed = false
				w.serve()
				assert.False(t, w.have[app].Exists, "a rule that can be read withdraws the permission")
			})
		})
	}
}

func TestNothingNewIsIssuedByAMalformedRule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.refused, w.ruleMalformed = []string{account + "app", account + "other"}, true
		w.serve()
		assert.Empty(t, w.did(), "it has nothing yet")
		w.ruleMalformed, w.refused = false, nil
		w.serve()
		w.did()

		w.refused, w.ruleMalformed = []string{account + "app", account + "other"}, true
		w.asked.Role.Name = "other"
		w.live(2 * time.Hour)
		assert.Equal(t, account+"app", w.have[app].RoleARN, "another role is something new")
	})
}

func TestRuleThatBecomesMalformedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.serve()
		good := w.have[app]
		time.Sleep(45 * time.Minute)
		w.onAssume = func() { w.refused, w.ruleMalformed = []string{account + "app"}, true }
		w.serve()
		assert.Equal(t, good, w.have[app], "neither renewed nor removed")
		w.onAssume = nil
		w.live(time.Minute)
		assert.True(t, w.have[app].Expiration.After(good.Expiration), "and then renewed as what was last good")
	})
}

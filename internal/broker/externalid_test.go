package broker

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/refresh"
)

var errAway = errors.New("STS is away")

// newStrict returns a world that requires roles to ask for the external ID.
func newStrict(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.requireExternalID(identity.CheckAll)
	return w
}

func TestExternalIDIsCheckedBeforeFirstUseAndDaily(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newStrict(t)
		w.serve()
		assert.Equal(t, "Prove Assume Prove Apply", w.did(), "once more when it is known to be there")
		start := time.Now()
		assert.Equal(t, start, w.have[app].Proven)
		for time.Since(start) < 72*time.Hour {
			time.Sleep(41 * time.Minute)
			w.serve()
			assert.Less(t, time.Since(w.have[app].Proven), 24*time.Hour)
		}
		all := w.did()
		assert.Equal(t, 3, strings.Count(all, "Prove Assume Prove"))
		assert.Equal(t, 6, strings.Count(all, "Prove"))
		assert.Greater(t, strings.Count(all, "Assume"), 100)
	})
}

func TestExternalIDCheckOnTheSecretIsNotTrusted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newStrict(t)
		w.have[app] = refresh.State{
			Exists: true, UID: "s1", RoleARN: account + "app", Expiration: time.Now().Add(time.Hour), Session: time.Hour,
			SpecHash: w.asked.SpecHash(), Proven: time.Now().Add(-time.Hour),
		}
		w.serve()
		assert.Empty(t, w.did(), "what is fresh is left alone")
		time.Sleep(50 * time.Minute)
		w.open = true
		_, err := w.sync()
		require.ErrorContains(t, err, "can be assumed under any external ID")
		assert.Equal(t, "Prove Remove", w.did())
	})
}

func TestExternalIDCheckIsPerRole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newStrict(t)
		w.serve()
		w.did()
		w.asked.Role.Name = "other"
		w.serve()
		assert.Equal(t, "Prove Assume Prove Apply", w.did())
	})
}

func TestRoleThatIsNotVisibleYetFailsTheExternalIDCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newStrict(t)
		w.onAssume = func() { w.open = true } // it refused everybody until now
		_, err := w.sync()
		require.ErrorContains(t, err, "can be assumed under any external ID")
		assert.Equal(t, "Prove Assume Prove", w.did())
		assert.Empty(t, w.have)
	})
}

func TestRoleThatAcceptsAnyExternalIDIsNotUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newStrict(t)
		w.open = true
		_, err := w.sync()
		require.ErrorContains(t, err, "can be assumed under any external ID")
		assert.Equal(t, "Prove", w.did())
		told := w.told()
		require.Len(t, told, 1)
		assert.Equal(t, "ExternalIDNotEnforced", told[0].reason)
		assert.Contains(t, told[0].message, `add the condition sts:ExternalId "ns/cluster" to its trust policy`)

		w.open = false
		w.serve()
		assert.Equal(t, "Prove Assume Prove Apply", w.did(), "its owner mended it")
	})
}

func TestCredentialsAreRevokedWhenTheExternalIDIsNoLongerEnforced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newStrict(t)
		w.serve()
		time.Sleep(24 * time.Hour)
		w.did()
		w.open = true
		_, err := w.sync()
		require.Error(t, err)
		assert.Equal(t, "Prove Remove", w.did())
		assert.False(t, w.shown().Ready)
	})
}

func TestOutageDoesNotFailAPassedExternalIDCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newStrict(t)
		w.serve()
		proven := w.have[app].Proven
		time.Sleep(24 * time.Hour)
		w.did()
		w.proofErr, w.open = errAway, true
		w.serve()
		assert.Equal(t, "Prove Assume Apply", w.did())
		assert.Equal(t, proven, w.have[app].Proven, "it is tried again at the next renewal")
	})
}

func TestOutageDoesNotPassAFailedExternalIDCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newStrict(t)
		w.proofErr = errAway
		_, err := w.sync()
		require.ErrorContains(t, err, "STS is away")
		assert.Equal(t, "Prove", w.did())

		w.proofErr = nil
		w.serve()
		time.Sleep(24 * time.Hour)
		w.open, w.removeErr = true, errors.New("the API server is away")
		_, err = w.sync()
		require.ErrorIs(t, err, w.removeErr)
		w.did()
		w.proofErr = errAway
		_, err = w.sync()
		require.ErrorContains(t, err, "STS is away")
		assert.Equal(t, "Prove", w.did(), "the Secret's word does not count any more")
	})
}

func TestUncheckedCredentialsAreReissuedWhenAllHaveToBeChecked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.serve()
		w.did()
		w.requireExternalID(identity.CheckAll)
		w.serve()
		assert.Equal(t, "Prove Assume Prove Apply", w.did())
		w.serve()
		assert.Empty(t, w.did())
	})
}

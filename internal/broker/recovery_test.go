package broker

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/identity"
)

var errOutage = fmt.Errorf("STS did not answer: %w", identity.ErrOutage)

func named(name string) identity.Key {
	return identity.Key{Source: identity.ServiceAccount, Namespace: "ns", Name: name}
}

// others syncs an identity, and returns which ones are to be synced as well.
func (w *world) others(name string) []identity.Key {
	w.t.Helper()
	out, err := w.Sync(w.t.Context(), named(name), true)
	if w.refuses == nil {
		require.NoError(w.t, err)
	}
	return out.Others
}

func TestAfterAnOutageNobodyWaitsForItsBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		refused := errors.New("AccessDenied")
		w.refuses = func(want identity.Desired) error {
			if want.Key == named("refused") {
				return refused
			}
			return errOutage
		}
		for _, name := range []string{"a", "b", "refused", "c"} {
			assert.Empty(t, w.others(name), "STS is away")
		}
		w.refuses = nil
		assert.ElementsMatch(t, []identity.Key{named("b"), named("c")}, w.others("a"), "those that it failed, and not who was refused")
		assert.Empty(t, w.others("new"), "once")
		assert.Empty(t, w.others("b"))
	})
}

func TestWhileSTSFailsSomeEachKeepsItsBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		fail := func(name string) {
			w.refuses = func(identity.Desired) error { return errOutage }
			assert.Empty(t, w.others(name))
			w.refuses = nil
		}
		fail("a")
		assert.Equal(t, []identity.Key{named("a")}, w.others("first"))
		for i := range 50 {
			time.Sleep(time.Second)
			fail("a")
			assert.Empty(t, w.others(fmt.Sprint("other-", i)), "once a minute")
		}
		time.Sleep(recoveryInterval)
		fail("a") // it is away again: nobody is brought back for that
		assert.Equal(t, []identity.Key{named("a")}, w.others("last"), "none is forgotten")
	})
}

func TestALeaderBeginsWithoutAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.refuses = func(identity.Desired) error { return errOutage }
		assert.Empty(t, w.others("a"))
		w.Begin()
		w.refuses = nil
		assert.Empty(t, w.others("b"))
	})
}

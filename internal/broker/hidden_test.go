package broker

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/identity"
)

// hidden is a source whose object admission passes over.
type hidden struct {
	*world

	is  bool
	err error
}

func (h *hidden) Hidden(identity.Key) (string, bool) { return "u1", h.is }

func (h *hidden) Show(context.Context, identity.Key, string) error {
	h.calls = append(h.calls, "Show")
	if h.err == nil {
		h.is = false
	}
	return h.err
}

// newHidden returns a world in which an object that was served is hidden.
func newHidden(t *testing.T) *hidden {
	t.Helper()
	h := &hidden{world: newWorld(t)}
	h.Sources[identity.ServiceAccount] = h
	h.serve()
	h.did()
	h.told()
	h.is = true
	return h
}

func TestWhatAdmissionPassesOverIsShownAndSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHidden(t)
		h.serve()
		assert.Equal(t, "Show", h.did())
		assert.Equal(t, []event{{true, false, "AdmissionSkipped", wasHidden}}, h.told())
		assert.Contains(t, h.logged.String(), "admission passed over")
		h.serve()
		assert.Empty(t, h.did(), "once")
		assert.Empty(t, h.told())
	})
}

func TestWhatIsHiddenIsShownWhateverIsWrongWithTheCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHidden(t)
		h.desiredErr = errInvalid
		_, err := h.sync()
		require.NoError(t, err)
		assert.Equal(t, "Show", h.did())
	})
}

func TestWhatCannotBeShownIsServedAndTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHidden(t)
		h.err = errors.New("away")
		time.Sleep(time.Hour)
		_, err := h.sync()
		require.ErrorIs(t, err, h.err)
		assert.Equal(t, "Show Free Assume Apply", h.did())
		h.err = nil
		h.serve()
		assert.Equal(t, "Show", h.did())
	})
}

func TestWhatIsHiddenInALoopIsHeldBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHidden(t)
		for range budgetBurst {
			h.is = true
			h.serve()
			require.Equal(t, "Show", h.did())
		}
		h.is = true
		assert.Equal(t, budgetRefill, h.serve())
		assert.Empty(t, h.did())
	})
}

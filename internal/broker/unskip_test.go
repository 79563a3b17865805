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

// skipped is a source whose object admission skips.
type skipped struct {
	*world

	is  bool
	err error
}

func (h *skipped) Skipped(identity.Key) (string, bool) { return "u1", h.is }

func (h *skipped) Unskip(context.Context, identity.Key, string) error {
	h.calls = append(h.calls, "Unskip")
	if h.err == nil {
		h.is = false
	}
	return h.err
}

// newSkipped returns a world in which an object that was served is hidden.
func newSkipped(t *testing.T) *skipped {
	t.Helper()
	h := &skipped{world: newWorld(t)}
	h.Sources[identity.ServiceAccount] = h
	h.serve()
	h.did()
	h.told()
	h.is = true
	return h
}

func TestSkippedObjectIsUnskippedWithAWarning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newSkipped(t)
		h.serve()
		assert.Equal(t, "Unskip", h.did())
		assert.Equal(t, []event{{true, false, "AdmissionSkipped", wasSkipped}}, h.told())
		assert.Contains(t, h.logged.String(), "admission skipped")
		h.serve()
		assert.Empty(t, h.did(), "once")
		assert.Empty(t, h.told())
	})
}

func TestInvalidObjectIsUnskipped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newSkipped(t)
		h.desiredErr = errInvalid
		_, err := h.sync()
		require.NoError(t, err)
		assert.Equal(t, "Unskip", h.did())
	})
}

func TestFailedUnskipIsRetriedAndTheObjectServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newSkipped(t)
		h.err = errors.New("away")
		time.Sleep(time.Hour)
		_, err := h.sync()
		require.ErrorIs(t, err, h.err)
		assert.Equal(t, "Unskip Assume Apply", h.did())
		h.err = nil
		h.serve()
		assert.Equal(t, "Unskip", h.did())
	})
}

func TestUnskippingInALoopIsLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newSkipped(t)
		for range renewalBurst {
			h.is = true
			h.serve()
			require.Equal(t, "Unskip", h.did())
		}
		h.is = true
		assert.Equal(t, renewalInterval, h.serve())
		assert.Empty(t, h.did())
	})
}

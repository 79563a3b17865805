package broker

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/refresh"
)

var legacy = identity.Key{Source: identity.AWSIAMRole, Namespace: "ns", Name: "legacy"}

// labelled returns a world in which an AWSIAMRole was served.
func labelled(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.asked.SecretName, w.asked.Labels = "legacy", map[string]string{"team": "a"}
	w.look(t)
	require.Equal(t, "Assume Apply", w.did(), "with its labels, in one write")
	w.told()
	return w
}

// look is Sync of the AWSIAMRole, without an error.
func (w *world) look(t *testing.T) time.Duration {
	t.Helper()
	again, err := w.syncKey(legacy)
	require.NoError(t, err)
	return again
}

func TestChangedLabelIsWrittenWithoutSTS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := labelled(t)
		for _, labels := range []map[string]string{{"team": "b"}, nil} {
			w.asked.Labels = labels
			assert.Equal(t, refresh.Next(time.Now(), w.have[legacy], refreshLimit), w.look(t), "renewals come when they would have come")
			assert.Equal(t, "Relabel", w.did())
			assert.Equal(t, labels, w.labels)
			w.look(t)
			assert.Empty(t, w.did(), "once")
		}
		assert.Empty(t, w.told())
	})
}

func TestALabelIsWrittenWhateverIsWrongWithTheCredentials(t *testing.T) {
	for name, happens := range map[string]func(*world){
		"the resource is malformed": func(w *world) { w.desiredErr = errInvalid },
		"STS is away": func(w *world) {
			time.Sleep(45 * time.Minute)
			w.assumeErr = errSTS
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := labelled(t)
				happens(w)
				w.asked.Labels = nil
				_, _ = w.syncKey(legacy)
				assert.True(t, strings.HasSuffix(w.did(), "Relabel"))
				assert.Empty(t, w.labels)
			})
		})
	}
}

func TestLabelsChangedInALoopAreLimitedAndDelayNoRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := labelled(t)
		for i := range 3 * renewalBurst {
			w.asked.Labels = map[string]string{"n": strconv.Itoa(i)}
			again := w.look(t)
			if i >= renewalBurst {
				assert.Equal(t, renewalInterval, again, "it comes back for the last one")
			}
		}
		assert.Len(t, strings.Fields(w.did()), renewalBurst)
		w.asked.Generation++
		w.look(t)
		assert.Equal(t, "Assume Apply", w.did())
		w.asked.Labels = nil
		time.Sleep(w.look(t))
		w.look(t)
		assert.Equal(t, "Relabel", w.did())
	})
}

func TestLabelsAreLimitedByNamespace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := labelled(t)
		const many = 3 * repeatBurst
		for round := range 4 {
			for i := range many {
				key := identity.Key{Source: identity.AWSIAMRole, Namespace: "ns", Name: strconv.Itoa(i)}
				w.have[key] = w.have[legacy]
				w.asked.Labels = map[string]string{"n": strconv.Itoa(round*many + i)}
				_, err := w.syncKey(key)
				require.NoError(t, err)
			}
		}
		assert.Len(t, strings.Fields(w.did()), many+repeatBurst, "the first change of each, and repeats of all together")
	})
}

func TestFailedLabelWriteIsReportedAndRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := labelled(t)
		w.relabelErr = &identity.StepError{Reason: api.UpdateSecretFailed, Message: "Failed to update secret", Err: errors.New("no")}
		w.asked.Labels = nil
		again, err := w.syncKey(legacy)
		require.ErrorIs(t, err, w.relabelErr)
		assert.Equal(t, refresh.Next(time.Now(), w.have[legacy], refreshLimit), again, "at the latest with the renewal")
		assert.Equal(t, []event{{warning: true, reason: "UpdateSecretFailed", message: "Failed to update secret"}}, w.told())
	})
}

func TestLabelsOfADeletedResourceAreNotWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := labelled(t)
		w.asked = nil
		w.look(t)
		assert.Equal(t, "Release Remove", w.did())
	})
}

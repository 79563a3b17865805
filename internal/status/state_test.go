package status

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-kit/log"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/refresh"
)

func TestState(t *testing.T) {
	tests := map[string]struct {
		have     refresh.State
		troubled bool
		want     string
	}{
		"nothing yet":                      {refresh.State{}, false, Pending},
		"nothing, and a reason for it":     {refresh.State{}, true, Failed},
		"valid":                            {refresh.State{Exists: true, Expiration: time.Unix(1001, 0)}, false, Ready},
		"valid, but not renewed":           {refresh.State{Exists: true, Expiration: time.Unix(1001, 0)}, true, Degraded},
		"run out this moment":              {refresh.State{Exists: true, Expiration: time.Unix(1000, 0)}, false, Pending},
		"run out this moment and troubled": {refresh.State{Exists: true, Expiration: time.Unix(1000, 0)}, true, Failed},
		"unreadable":                       {refresh.State{Exists: true}, false, Pending},
	}
	seen := map[string]bool{}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := New(&recorded{}, log.NewNopLogger())
				if tc.troubled {
					r.RecordFailure(want, refresh.State{}, errStep)
				}
				state, reason := r.State(want.Key, tc.have, time.Unix(1000, 0))
				assert.Equal(t, tc.want, state)
				assert.Equal(t, tc.troubled, reason == api.ProvisionFailed)
				assert.Equal(t, !tc.troubled, reason == "")
				seen[state] = true
			})
		})
	}
	for _, state := range States() {
		require.True(t, seen[state], state)
	}
	assert.Len(t, States(), len(seen))
}

func TestTheFailedHaveNoValidCredentials(t *testing.T) {
	r := New(&recorded{}, log.NewNopLogger())
	served := want
	served.Name = "served"
	for _, failed := range []identity.Desired{want, served} {
		r.RecordFailure(failed, refresh.State{}, errStep)
	}
	observe := func(key identity.Key) refresh.State {
		if key == served.Key {
			return refresh.State{Exists: true, Expiration: time.Now().Add(time.Hour)}
		}
		return refresh.State{}
	}
	assert.Equal(t, []identity.Failed{{Key: want.Key, SecretName: want.SecretName, Reason: api.ProvisionFailed, Message: r.Failure(want.Key).Message}},
		slices.Collect(r.Failed(observe)))
	r.Clear(want.Key)
	assert.Empty(t, slices.Collect(r.Failed(observe)))
}

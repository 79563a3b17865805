package broker

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/api"
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
				w := newWorld(t)
				w.have[app] = tc.have
				if tc.troubled {
					w.Status.RecordFailure(*desired(), refresh.State{}, errSTS)
				}
				state, reason, expiration := w.State(app, time.Unix(1000, 0))
				assert.Equal(t, tc.want, state)
				assert.Equal(t, tc.troubled, reason != "")
				assert.Contains(t, []string{"", api.GetCredentialsFailed}, reason)
				assert.Equal(t, tc.have.Expiration, expiration)
				assert.Empty(t, w.did(), "metrics cost no calls")
				seen[state] = true
			})
		})
	}
	for _, state := range States() {
		require.True(t, seen[state], state)
	}
	assert.Len(t, States(), len(seen))
}

package broker

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/status"
)

// errUnread is why it is not known yet what an object asks for.
var errUnread = &identity.StepError{
	Reason: api.GetCredentialsFailed, Message: "Failed to get credentials: the value of $(account) is not known", Err: errors.New("STS is away"),
}

func TestWhatIsNotKnownYetKeepsTheLastGoodFresh(t *testing.T) {
	for name, start := range map[string]func(*testing.T) *world{
		"an existing role": func(t *testing.T) *world { t.Helper(); return newWorld(t) },
		"a managed role":   asking,
		"a session policy": limited,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := start(t)
				w.serve()
				w.serve()
				good, asked := w.have[app], *w.asked
				w.asked.Role, w.asked.Managed, w.asked.SessionPolicy, w.desiredErr = identity.RoleReference{}, nil, "", errUnread
				w.did()
				w.told()
				_, err := w.sync()
				require.ErrorIs(t, err, errUnread, "so that it is tried again soon")
				assert.Empty(t, w.did(), "the credentials are fresh, and a role stays")
				assert.Equal(t, []event{{warning: true, reason: api.GetCredentialsFailed, message: errUnread.Message}}, w.told())

				w.live(6 * time.Hour)
				assert.Equal(t, good.RoleARN, w.have[app].RoleARN)
				assert.Equal(t, good.SpecHash, w.have[app].SpecHash)
				assert.Equal(t, good.SessionPolicy, w.have[app].SessionPolicy)
				assert.Equal(t, status.Degraded, w.state())
				calls := w.did()
				assert.Positive(t, strings.Count(calls, "Apply"))
				assert.False(t, slices.ContainsFunc(strings.Fields(calls), func(call string) bool { return call != "Assume" && call != "Apply" }), calls)

				w.asked, w.desiredErr = &asked, nil
				w.live(6 * time.Minute)
				assert.Equal(t, status.Ready, w.state())
				assert.Equal(t, good.SpecHash, w.have[app].SpecHash)
				assert.NotContains(t, w.did(), "Ensure", "it is what was asked for all along")
			})
		})
	}
}

func TestWhatIsNotKnownYetIsServedOnceItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.desiredErr = errUnread
		again, err := w.sync()
		require.ErrorIs(t, err, errUnread)
		assert.Zero(t, again, "the usual back-off decides")
		assert.Empty(t, w.did())
		assert.Equal(t, []event{{warning: true, waiting: true, reason: api.GetCredentialsFailed, message: errUnread.Message}}, w.told())
		w.desiredErr = nil
		w.serve()
		assert.Equal(t, "Assume Apply", w.did())
		assert.Equal(t, status.Ready, w.state())
	})
}

func TestAPermissionIsWithdrawnWhateverIsNotKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.serve()
		w.did()
		w.desiredErr, w.refused = errUnread, []string{account + "app"}
		w.serve()
		assert.Equal(t, "Remove", w.did())
	})
}

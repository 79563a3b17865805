package externalid

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/identity"
)

const account = "123456789012"

var (
	app       = identity.Key{Source: identity.ServiceAccount, Namespace: "ns", Name: "app"}
	elsewhere = identity.RoleReference{Partition: "aws", Account: "999999999999", Name: "app"}
	errAway   = errors.New("STS is away")
)

// world is STS as a Checker sees it, and what it was asked.
type world struct {
	*Checker

	t     *testing.T
	want  identity.Desired
	open  bool // roles take any external ID
	calls []string

	accountErr, resolveErr, enforcesErr error
	logged                              bytes.Buffer
}

// newWorld returns a world in which nothing was checked, and app asks for a role of another account.
func newWorld(t *testing.T, of identity.ExternalIDCheck) *world {
	t.Helper()
	w := &world{t: t, want: identity.Desired{Key: app, UID: "u1", Role: elsewhere, ExternalID: "ns/cluster", SessionDuration: time.Hour}}
	w.Checker = New(w, of, log.NewLogfmtLogger(&w.logged))
	return w
}

// did returns the calls since it was last asked.
func (w *world) did() string {
	did := strings.Join(w.calls, " ")
	w.calls = nil
	return did
}

// check checks the role, and confirms it as after it was assumed. It returns when the role was seen to refuse.
func (w *world) check() time.Time {
	w.t.Helper()
	at, err := w.Check(w.t.Context(), w.want)
	require.NoError(w.t, err)
	w.want.Proven = at
	role, err := w.Resolve(w.t.Context(), w.want)
	require.NoError(w.t, err)
	require.NoError(w.t, w.Confirm(w.t.Context(), w.want, role.String()))
	return at
}

func (w *world) Account(context.Context) (identity.BaseRole, error) {
	return identity.BaseRole{Partition: "aws", Account: account}, w.accountErr
}

func (w *world) Resolve(_ context.Context, want identity.Desired) (identity.RoleReference, error) {
	if w.resolveErr != nil || want.Role.Resolved() {
		return want.Role, w.resolveErr
	}
	return want.Role.Resolve(identity.BaseRole{Partition: "aws", Account: account})
}

func (w *world) EnforcesExternalID(_ context.Context, want identity.Desired) (bool, error) {
	w.calls = append(w.calls, want.Role.Name)
	return !w.open && w.enforcesErr == nil, w.enforcesErr
}

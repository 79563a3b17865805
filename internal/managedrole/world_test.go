package managedrole

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

const (
	readyTimeout  = 2 * time.Minute
	driftInterval = time.Hour
	sweepInterval = 6 * time.Hour
)

var (
	app     = identity.Key{Source: identity.ServiceAccount, Namespace: "ns", Name: "app"}
	roleARN = identity.RoleReference{Partition: "aws", Account: "123456789012", Path: "p/", Name: "ns.app-0123456789"}
	errAway = &identity.StepError{Reason: api.ProvisionFailed, Message: "IAM is away", Err: errors.New("away")}
)

// ensured is one answer of Ensure.
type ensured struct {
	role identity.Role
	err  error
}

// world is all that a Manager works with: IAM and the API server as far as the Manager sees them, and what was done.
type world struct {
	t     testing.TB
	m     *Manager
	want  identity.Desired
	calls []string // those that reach IAM or the API server, in order

	// answers are those of Ensure, in order. After the last one the role is there and matches.
	answers  []ensured
	differs  ensured
	busy     bool                  // somebody waits for IAM
	onDiffer func()                // happens while a role is inspected
	gone     bool                  // IAM shows no role
	endErr   error                 // of Delete and Retain
	onEnd    func(context.Context) // happens while a role is deleted or retained
	swept    map[identity.Key]string
	onSweep  func() // happens while orphans are looked for
	sweepErr error
	disabled error

	boundary    *identity.Boundary
	boundaryErr error

	// What the API server has.
	uid          string
	held, retain bool
	owners       []identity.Key
	holdErr      error
	forgetErr    error

	events []string // type, reason and message
	drift  []string // kinds that were counted
	logged bytes.Buffer
}

// newWorld returns a world in which nothing was done yet, and this replica has led for an hour.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, uid: "u1", want: identity.Desired{
		Key: app, UID: "u1", SecretName: "app.aws-iam", SessionDuration: time.Hour, Managed: &identity.ManagedRole{Policy: "{}"},
	}}
	w.m = New(Config{
		IAM: w, Finalizers: w, Secrets: w, Events: w, Metrics: w, Logger: log.NewLogfmtLogger(&w.logged),
		ReadyTimeout: readyTimeout, DriftInterval: driftInterval, SweepInterval: sweepInterval,
		IAMQPS: 20, InspectionRequests: 4, Inspections: 2,
	})
	w.m.Begin()
	time.Sleep(time.Hour)
	return w
}

// created is the answer of Ensure that made a role.
func created(id string) ensured {
	return ensured{role: identity.Role{ARN: roleARN, ID: id, Created: true, Since: time.Now()}}
}

// made returns a world in which the role was made some time ago.
func made(t *testing.T, ago time.Duration) *world {
	t.Helper()
	w := newWorld(t)
	w.answers = []ensured{created("AROA1")}
	_, err := w.m.Ensure(t.Context(), w.want, "")
	require.NoError(t, err)
	time.Sleep(ago)
	w.forgetWhatWasDone()
	return w
}

func (w *world) forgetWhatWasDone() { w.calls, w.events, w.drift = nil, nil, nil }

// did returns the calls since it was last asked.
func (w *world) did() string {
	did := strings.Join(w.calls, ", ")
	w.calls = nil
	return did
}

func (w *world) call(parts ...string) { w.calls = append(w.calls, strings.Join(parts, " ")) }

func (w *world) Disabled() error { return w.disabled }

func (w *world) Reference(context.Context, identity.Key) (identity.RoleReference, error) {
	return roleARN, nil
}

func (w *world) Ensure(_ context.Context, want identity.Desired, id string) (identity.Role, error) {
	assert.Equal(w.t, w.want.SpecHash(), want.SpecHash())
	w.call("Ensure", id)
	if len(w.answers) == 0 {
		return identity.Role{ARN: roleARN, ID: "AROA1", Since: time.Now().Add(-24 * time.Hour)}, nil
	}
	next := w.answers[0]
	w.answers = w.answers[1:]
	return next.role, next.err
}

func (w *world) Differs(_ context.Context, _ identity.Desired, id string) (identity.Role, error) {
	w.call("Differs", id)
	if w.onDiffer != nil {
		w.onDiffer()
	}
	return w.differs.role, w.differs.err
}

func (w *world) ReadBoundary(context.Context) (*identity.Boundary, error) {
	return w.boundary, w.boundaryErr
}

func (w *world) Busy() bool { return w.busy }

func (w *world) Delete(ctx context.Context, _ identity.Key, id string) (bool, error) {
	return w.end(ctx, "Delete", id)
}

func (w *world) Retain(ctx context.Context, _ identity.Key, id string) (bool, error) {
	return w.end(ctx, "Retain", id)
}

func (w *world) end(ctx context.Context, parts ...string) (bool, error) {
	w.call(parts...)
	if w.onEnd != nil {
		w.onEnd(ctx)
	}
	return !w.gone && w.endErr == nil, w.endErr
}

func (w *world) Sweep(_ context.Context, owners iter.Seq[identity.Key], found func(identity.Key, string)) error {
	w.call("Sweep")
	if w.onSweep != nil {
		w.onSweep()
	}
	known := slices.Collect(owners)
	for key, id := range w.swept {
		if !slices.Contains(known, key) {
			found(key, id)
		}
	}
	return w.sweepErr
}

func (w *world) ForgetRole(context.Context, identity.Key) error {
	w.call("ForgetRole")
	return w.forgetErr
}

func (w *world) Normal(_ identity.Desired, reason, message string) {
	w.events = append(w.events, "Normal "+reason+": "+message)
}

func (w *world) Warn(_ identity.Desired, waiting bool, reason, message string) {
	assert.False(w.t, waiting, "it has credentials, or needs none")
	w.events = append(w.events, "Warning "+reason+": "+message)
}

func (w *world) ObserveDrift(kind string) { w.drift = append(w.drift, kind) }

func (w *world) AddFinalizer(context.Context, identity.Desired) error {
	w.call("AddFinalizer")
	w.held = w.held || w.holdErr == nil
	return w.holdErr
}

func (w *world) Finalizer(key identity.Key) (uid string, present, retain bool) {
	if key.Namespace != app.Namespace || key.Name != app.Name { // no matter of which source
		return "", false, false
	}
	return w.uid, w.held, w.retain
}

func (w *world) Owners() iter.Seq[identity.Key] { return slices.Values(w.owners) }

func (w *world) RemoveFinalizer(context.Context, identity.Key) error {
	w.call("RemoveFinalizer")
	w.held = false
	return nil
}

package broker

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/events"
	"kube-aws-iam-controller/internal/externalid"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/managedrole"
	"kube-aws-iam-controller/internal/refresh"
	"kube-aws-iam-controller/internal/status"
)

const (
	account = "arn:aws:iam::123456789012:role/"
	// sentinel is in everything secret, to be looked for where it should not be.
	sentinel     = "hunter2"
	refreshLimit = 20 * time.Minute
)

// own is the role that is made for app.
var own = identity.RoleReference{Partition: "aws", Account: "123456789012", Path: "p/", Name: "ns.app-0123456789"}

var app = identity.Key{Source: identity.ServiceAccount, Namespace: "ns", Name: "app"}

// desired is what the objects of these tests ask for.
func desired() *identity.Desired {
	return &identity.Desired{
		Key: app, UID: "u1", SecretName: "app.aws-iam", Role: identity.RoleReference{Name: "app"},
		ExternalID: "ns/cluster", SessionDuration: time.Hour,
	}
}

// world is all that a Broker works with, and what was done with it.
type world struct {
	*Broker

	t       testing.TB
	managed *managedrole.Manager
	// eventLimits are those of events.
	eventLimits events.Limits
	// calls are those to Sessions, Secrets and Source that may reach AWS or
	// the API server, in order.
	calls []string

	// What the object asks for, and what is known of its Secret.
	asked *identity.Desired
	have  map[identity.Key]refresh.State

	// What there is of a role of the object's own.
	held, retain bool
	owners       []identity.Key
	swept        []identity.Key // that a sweep finds, each with the id AROA1
	sweepErr     error
	role, half   *identity.Role // half is one that could not be filled

	drifted  []string
	outdated bool   // its trust policy is as a version before made it
	kept     string // why that is left so
	busy     bool   // somebody waits for IAM
	used     identity.RoleUse
	newID    string // of a role that is made, AROA1 if empty
	lostErr  error  // beside a role that is made, whose answer is lost

	// refused are the ARNs of roles that may not be used. permitErr says that
	// this is not known.
	refused   []string
	permitErr error
	// ruleMalformed says that they are refused by a rule that cannot be read.
	ruleMalformed bool
	// runsOn is the ARN of the role that the controller runs on. runsOnErr says that this
	// is not known.
	runsOn    string
	runsOnErr error
	// open says that roles take any external ID, proofErr that STS does not tell.
	open     bool
	openRole string // the name of one that does
	proofErr error
	// refuses says how STS answers one who asks, nil for as anybody else.
	refuses func(identity.Desired) error
	// onAssume happens while a role is assumed.
	onAssume func()
	// onSweep happens while orphans are looked for.
	onSweep func()

	// What goes wrong.
	relabelErr, forgetErr, differsErr, disabledErr, holdErr, ensureErr, deleteErr, desiredErr, freeErr, assumeErr, applyErr, removeErr, reportErr, releaseErr error

	ahead   time.Duration // of the controller's clock before that of STS
	keeps   bool          // the object still asks, by the API server's word
	notice  string
	labels  map[string]string // of the Secret
	warning string            // about what nobody reads
	assumed []identity.Desired
	// forgotten are those that nobody asks for and that have no Secret.
	forgotten []identity.Key
	statuses  []identity.Status
	recorded  []event // since told was last asked
	heard     []event // ever
	metrics   []string
	logged    bytes.Buffer
}

type event struct {
	warning, waiting bool
	reason, message  string
}

// newWorld returns a world for a test in a bubble of its own time. It looks for
// secrets in whatever came out.
func newWorld(tb testing.TB) *world {
	tb.Helper()
	w := &world{t: tb, asked: desired(), have: map[identity.Key]refresh.State{}, eventLimits: events.NewLimits()}
	logger := log.NewLogfmtLogger(&w.logged)
	w.managed = managedrole.New(managedrole.Config{
		IAM: w, Finalizers: w, Secrets: w, Events: w, Metrics: w, Logger: logger, ReadyTimeout: 2 * time.Minute,
		IAMQPS: 20, InspectionRequests: 4, Inspections: 2,
	})
	w.Broker = New(Config{
		Sources: map[identity.Source]Source{identity.ServiceAccount: w, identity.AWSIAMRole: w},
		Rules:   w, Sessions: w, Secrets: w, Metrics: w, Roles: w.managed,
		Status: status.New(w, logger), ExternalIDs: externalid.New(w, identity.CheckNone, logger),
		Logger: logger, RefreshLimit: refreshLimit,
	})
	w.Begin()
	tb.Cleanup(func() {
		assert.NotContains(tb, w.logged.String(), sentinel)
		assert.NotContains(tb, fmt.Sprintf("%+v %+v %v", w.heard, w.statuses, w.metrics), sentinel)
	})
	return w
}

// requireExternalID has roles checked that were not, as after a restart.
func (w *world) requireExternalID(of identity.ExternalIDCheck) {
	w.ExternalIDs = externalid.New(w, of, w.Logger)
}

// errNeedsIAM says that a sync was left to a worker that may wait for IAM.
var errNeedsIAM = errors.New("needs IAM")

// syncKey is a sync by a worker that may wait for IAM.
func (w *world) syncKey(key identity.Key) (time.Duration, error) {
	w.t.Helper()
	out, err := w.Sync(w.t.Context(), key, true)
	require.False(w.t, out.NeedsIAM)
	if err != nil {
		assert.NotContains(w.t, fmt.Sprintf("%v %+v", err, err), sentinel)
	}
	return out.After, err
}

// sync is syncKey of the one identity there usually is.
func (w *world) sync() (time.Duration, error) {
	w.t.Helper()
	return w.syncKey(app)
}

// syncFast is a sync by a worker that may not wait for IAM.
func (w *world) syncFast() (time.Duration, error) {
	w.t.Helper()
	out, err := w.Sync(w.t.Context(), app, false)
	if err == nil && out.NeedsIAM {
		err = errNeedsIAM
	}
	return out.After, err
}

// serve syncs without an error.
func (w *world) serve() time.Duration {
	w.t.Helper()
	again, err := w.sync()
	require.NoError(w.t, err)
	return again
}

// state is the state that metrics count.
func (w *world) state() string {
	state, _ := w.Status.State(app, w.have[app], time.Now())
	return state
}

// did returns the calls since it was last asked.
func (w *world) did() string {
	calls := strings.Join(w.calls, " ")
	w.calls = nil
	return calls
}

// told returns the events since it was last asked.
func (w *world) told() []event {
	told := w.recorded
	w.recorded = nil
	return told
}

// shown returns what was last reported.
func (w *world) shown() identity.Status {
	if len(w.statuses) == 0 {
		return identity.Status{}
	}
	return w.statuses[len(w.statuses)-1]
}

func (w *world) change(f func(*refresh.State)) {
	have := w.have[app]
	f(&have)
	w.have[app] = have
}

func (w *world) Desired(_ context.Context, key identity.Key) (*identity.Desired, error) {
	if w.asked == nil {
		return nil, w.desiredErr
	}
	want := *w.asked
	want.Key = key
	return &want, w.desiredErr
}

func (w *world) Warning(identity.Key) identity.Warning {
	return identity.Warning{UID: "u1", Reason: api.UnknownAnnotation, Message: w.warning, Asks: w.asked != nil}
}

func (w *world) Report(_ context.Context, _ identity.Desired, shown identity.Status) error {
	w.statuses = append(w.statuses, shown)
	return w.reportErr
}

func (w *world) Release(context.Context, identity.Key) (bool, error) {
	w.calls = append(w.calls, "Release")
	return !w.keeps, w.releaseErr
}

func (w *world) Assume(_ context.Context, want identity.Desired) (identity.Credentials, error) {
	w.calls = append(w.calls, "Assume")
	w.assumed = append(w.assumed, want)
	if w.onAssume != nil {
		w.onAssume()
	}
	if w.refuses != nil && w.refuses(want) != nil {
		return identity.Credentials{}, w.refuses(want)
	}
	if w.assumeErr != nil {
		return identity.Credentials{AccessKeyID: sentinel, SecretAccessKey: sentinel, SessionToken: sentinel}, w.assumeErr
	}
	role := want.Role.String()
	if !want.Role.Resolved() {
		role = account + role
	}
	now := time.Now().UTC()
	return identity.Credentials{
		RoleARN: role, AccessKeyID: "ASIA" + sentinel, SecretAccessKey: sentinel + "s", SessionToken: sentinel + "t",
		Issued: now, Expiration: now.Add(want.SessionDuration - w.ahead), Notice: w.notice,
	}, nil
}

func (w *world) Account(context.Context) (identity.BaseRole, error) {
	return identity.BaseRole{Partition: "aws", Account: "123456789012"}, nil
}

func (w *world) Resolve(_ context.Context, want identity.Desired) (identity.RoleReference, error) {
	if want.Role.Resolved() {
		return want.Role, nil
	}
	return identity.ParseRole(account + want.Role.String())
}

func (w *world) MayRunOn(_ context.Context, _ string, role identity.RoleReference) (bool, error) {
	return role.String() == w.runsOn, w.runsOnErr
}

func (w *world) EnforcesExternalID(_ context.Context, want identity.Desired) (bool, error) {
	w.calls = append(w.calls, "Prove")
	return !w.open && (w.openRole == "" || want.Role.Name != w.openRole), w.proofErr
}

func (w *world) Reference(context.Context, identity.Key) (identity.RoleReference, error) {
	return own, nil
}

func (w *world) Permit(ctx context.Context, _ identity.Key, asked func(context.Context) (identity.RoleReference, error)) error {
	if w.permitErr != nil || w.refused == nil {
		return w.permitErr
	}
	role, err := asked(ctx)
	if err != nil {
		return err
	}
	if slices.Contains(w.refused, role.String()) {
		return &identity.InvalidError{
			Reason: api.RoleNotPermitted, Message: "the namespace may not use " + role.String(), RuleMalformed: w.ruleMalformed,
		}
	}
	return nil
}

func (w *world) Observe(key identity.Key) refresh.State { return w.have[key] }

func (w *world) CheckName(context.Context, identity.Desired) error {
	return w.freeErr
}

func (w *world) Apply(_ context.Context, want identity.Desired, creds identity.Credentials) (refresh.State, bool, error) {
	w.calls = append(w.calls, "Apply")
	had := w.have[want.Key].Exists
	if w.applyErr != nil {
		return refresh.State{}, false, w.applyErr
	}
	assert.Equal(w.t, sentinel+"s", creds.SecretAccessKey.Reveal())
	w.labels = want.Labels
	w.have[want.Key] = refresh.State{
		Exists: true, UID: "s1", RoleARN: creds.RoleARN, Expiration: creds.Expiration, Session: creds.Expiration.Sub(creds.Issued), SpecHash: want.SpecHash(), RoleID: want.RoleID, Proven: want.Proven,
		RoleUsed:      want.RoleUsed,
		PolicyHash:    want.PolicyHash,
		SessionPolicy: want.SessionPolicy,
	}
	return w.have[want.Key], !had, nil
}

func (w *world) Remove(_ context.Context, key identity.Key) error {
	w.calls = append(w.calls, "Remove")
	if w.removeErr == nil {
		delete(w.have, key)
	}
	return w.removeErr
}

func (w *world) Normal(want identity.Desired, reason, message string) {
	if w.eventLimits.Allow(want.Namespace, time.Now()) {
		w.record(event{reason: reason, message: message})
	}
}

func (w *world) Warn(_ identity.Desired, waiting bool, reason, message string) {
	w.record(event{warning: true, waiting: waiting, reason: reason, message: message})
}

func (w *world) TryWarn(want identity.Desired, waiting bool, reason, message string) time.Duration {
	wait := w.eventLimits.Take(want.Key, time.Now())
	if wait == 0 {
		w.Warn(want, waiting, reason, message)
	}
	return wait
}

func (w *world) record(e event) { w.recorded, w.heard = append(w.recorded, e), append(w.heard, e) }

func (w *world) ObserveRefresh(source, reason string, took time.Duration, err error) {
	result := "success"
	if err != nil {
		result = "error"
	}
	assert.GreaterOrEqual(w.t, took, time.Duration(0))
	w.metrics = append(w.metrics, source+" "+reason+" "+result)
}

func (w *world) LabelsDiffer(want identity.Desired) bool {
	return w.have[want.Key].Exists && !maps.Equal(w.labels, want.Labels)
}

func (w *world) Relabel(_ context.Context, want identity.Desired) error {
	w.calls = append(w.calls, "Relabel")
	if w.relabelErr == nil {
		w.labels = want.Labels
	}
	return w.relabelErr
}

func (w *world) ForgetRole(_ context.Context, key identity.Key) error {
	w.calls = append(w.calls, "ForgetRole")
	if w.forgetErr == nil {
		w.change(func(s *refresh.State) { s.RoleID = "" })
	}
	return w.forgetErr
}

func (w *world) Forget(key identity.Key) { w.forgotten = append(w.forgotten, key) }

func (w *world) Disabled() error { return w.disabledErr }

func (w *world) AddFinalizer(context.Context, identity.Desired) error {
	w.calls = append(w.calls, "AddFinalizer")
	w.held = w.held || w.holdErr == nil
	return w.holdErr
}

func (w *world) Finalizer(key identity.Key) (uid string, held, retain bool) {
	if key != app || (!w.held && w.asked == nil) {
		return "", false, false
	}
	return "u1", w.held, w.retain
}

func (w *world) Owners() iter.Seq[identity.Key] { return slices.Values(w.owners) }

func (w *world) Sweep(_ context.Context, owners iter.Seq[identity.Key], found func(identity.Key, string)) error {
	w.calls = append(w.calls, "Sweep")
	if w.onSweep != nil {
		w.onSweep()
	}
	known := slices.Collect(owners)
	for _, key := range w.swept {
		if !slices.Contains(known, key) {
			found(key, "AROA1")
		}
	}
	return w.sweepErr
}

func (w *world) ReadBoundary(context.Context) (*identity.Boundary, error) { return nil, nil } //nolint:nilnil // there is none

func (w *world) RemoveFinalizer(context.Context, identity.Key) error {
	w.calls = append(w.calls, "RemoveFinalizer")
	w.held = false
	return nil
}

func (w *world) Ensure(_ context.Context, want identity.Desired, id string) (identity.Role, error) {
	w.calls = append(w.calls, "Ensure "+id)
	if w.ensureErr != nil && w.half != nil {
		return *w.half, w.ensureErr
	}
	if w.ensureErr != nil {
		return identity.Role{}, w.ensureErr
	}
	created := w.role == nil
	if created && id != "" {
		return identity.Role{}, identity.ErrRoleGone
	}
	if created {
		w.role = &identity.Role{ARN: own, ID: cmp.Or(w.newID, "AROA1"), Since: time.Now()}
	}
	switch {
	case created && w.lostErr != nil:
		return identity.Role{}, w.lostErr
	case !created && id != "" && id != w.role.ID:
		return identity.Role{}, &identity.StepError{Reason: api.RoleNotOwned, Message: "it was deleted and created again by somebody else"}
	}
	role := *w.role
	role.Created = created
	if w.drifted != nil && !created {
		role.Changed, w.drifted = w.drifted, nil
	}
	w.role.Changed = nil
	if role.TrustOutdated = w.kept; w.outdated && w.kept == "" && !created {
		role.TrustRenewed, w.outdated = true, false
	}
	if created {
		role.Changed = nil
	}
	return role, nil
}

func (w *world) Delete(_ context.Context, _ identity.Key, id string) (bool, error) {
	return w.dispose("Delete " + id)
}

func (w *world) Retain(_ context.Context, _ identity.Key, id string) (bool, error) {
	return w.dispose("Retain " + id)
}

func (w *world) dispose(call string) (bool, error) {
	w.calls = append(w.calls, call)
	there := w.role != nil && w.deleteErr == nil
	if there {
		w.role = nil
	}
	return there, w.deleteErr
}

func (w *world) Differs(_ context.Context, _ identity.Desired, id string) (identity.Role, error) {
	w.calls = append(w.calls, "Differs "+id)
	return identity.Role{ARN: own, ID: id, Used: w.used, Changed: w.drifted, TrustRenewed: w.outdated && w.kept == "", TrustOutdated: w.kept}, w.differsErr
}

func (w *world) Busy() bool { return w.busy }

func (w *world) ObserveDrift(kind string) { w.metrics = append(w.metrics, "drift "+kind) }

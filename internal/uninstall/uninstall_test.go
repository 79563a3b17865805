package uninstall

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/refresh"
)

// installation is what is left of a controller: everything by the ServiceAccounts' names.
type installation struct {
	finalizers map[string]bool
	retain     map[string]bool
	secrets    map[string]refresh.State
	// unseen are roles that IAM does not show yet, and for how many looks.
	unseen map[string]int
	fails  map[string]error

	mu    sync.Mutex
	calls []string
}

func key(name string) identity.Key {
	return identity.Key{Source: identity.ServiceAccount, Namespace: "ns", Name: name}
}

func (i *installation) call(verb string, key identity.Key) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.calls = append(i.calls, verb+" "+key.Name)
	return i.fails[verb+" "+key.Name]
}

func (i *installation) Owners() iter.Seq[identity.Key] {
	return func(yield func(identity.Key) bool) {
		for name := range i.finalizers {
			if !yield(key(name)) {
				return
			}
		}
	}
}

func (i *installation) Finalizer(key identity.Key) (uid string, present, retain bool) {
	return "uid", i.finalizers[key.Name], i.retain[key.Name]
}

func (i *installation) Release(_ context.Context, key identity.Key, id string) (time.Duration, error) {
	if err := i.call("release"+id, key); err != nil {
		return 0, err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.unseen[key.Name] > 0 {
		i.unseen[key.Name]--
		return 10 * time.Second, nil
	}
	return 0, nil
}

func (i *installation) RemoveFinalizer(_ context.Context, key identity.Key) error {
	return i.call("finalizer", key)
}

func (i *installation) ClearRoleARN(_ context.Context, key identity.Key) error {
	return i.call("annotation", key)
}

func (i *installation) Observe(key identity.Key) refresh.State { return i.secrets[key.Name] }

func (i *installation) Remove(_ context.Context, key identity.Key) error {
	return i.call("secret", key)
}

func (i *installation) run(t *testing.T, retain bool) (Summary, string) {
	t.Helper()
	var out strings.Builder
	u := Uninstaller{Accounts: i, Roles: i, Secrets: i, Retain: retain, Output: NewPrinter(&out)}
	summary, err := u.Run(t.Context())
	require.NoError(t, err)
	return summary, out.String()
}

// of returns the calls for one ServiceAccount.
func (i *installation) of(name string) string {
	return strings.Join(slices.DeleteFunc(slices.Clone(i.calls), func(c string) bool { return !strings.HasSuffix(c, " "+name) }), ", ")
}

func TestTheFinalizerGoesLast(t *testing.T) {
	i := &installation{finalizers: map[string]bool{"app": true}, secrets: map[string]refresh.State{"app": {RoleID: "AROA1"}}}
	summary, out := i.run(t, false)
	assert.Equal(t, Summary{Deleted: 1}, summary)
	assert.Equal(t, "releaseAROA1 app, secret app, annotation app, finalizer app", i.of("app"))
	assert.Equal(t, "ns/app: finalizer removed\n", out)
}

func TestWhatIsRetainedKeepsItsCredentials(t *testing.T) {
	i := &installation{finalizers: map[string]bool{"app": true, "kept": true}, retain: map[string]bool{"kept": true}}
	summary, _ := i.run(t, false)
	assert.Equal(t, Summary{Deleted: 1, Retained: 1}, summary)
	assert.Equal(t, "release kept, finalizer kept", i.of("kept"))

	i.calls = nil
	summary, _ = i.run(t, true)
	assert.Equal(t, Summary{Retained: 2}, summary)
	assert.Equal(t, "release app, finalizer app", i.of("app"))
}

func TestOnlyServiceAccountsWithTheFinalizerAreReleased(t *testing.T) {
	i := &installation{finalizers: map[string]bool{"asks": false}}
	summary, out := i.run(t, false)
	assert.Zero(t, summary)
	assert.Empty(t, i.calls)
	assert.Empty(t, out)
}

func TestAnEditedSecretDoesNotSayWhichRoleItIs(t *testing.T) {
	i := &installation{finalizers: map[string]bool{"app": true}, secrets: map[string]refresh.State{"app": {RoleID: "AROA1", Edited: true}}}
	i.run(t, false)
	assert.Contains(t, i.of("app"), "release app")
}

func TestAFailureKeepsOneFinalizerAndStopsNothingElse(t *testing.T) {
	for _, step := range []string{"release", "secret", "annotation", "finalizer"} {
		i := &installation{
			finalizers: map[string]bool{"app": true, "other": true}, fails: map[string]error{step + " app": errors.New("away")},
		}
		summary, out := i.run(t, false)
		assert.Equal(t, Summary{Deleted: 1, Failed: 1}, summary, step)
		assert.Contains(t, out, "ns/app: failed, and keeps its finalizer: away\n")
		assert.Equal(t, step == "finalizer", strings.Contains(i.of("app"), "finalizer"), step)
		assert.Contains(t, i.of("other"), "finalizer other")
	}
}

func TestARoleThatIAMDoesNotShowYetIsAwaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &installation{finalizers: map[string]bool{"app": true}, unseen: map[string]int{"app": 3}}
		start := time.Now()
		summary, _ := i.run(t, false)
		assert.Equal(t, Summary{Deleted: 1}, summary)
		assert.Equal(t, 30*time.Second, time.Since(start))
	})
}

func TestRunEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &installation{finalizers: map[string]bool{"app": true}, unseen: map[string]int{"app": 1000}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		u := Uninstaller{Accounts: i, Roles: i, Secrets: i, Output: NewPrinter(&strings.Builder{})}
		summary, err := u.Run(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, 1, summary.Failed)
		assert.NotContains(t, i.of("app"), "finalizer")
	})
}

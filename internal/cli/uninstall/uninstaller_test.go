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

// leftovers is what is left of a controller: everything by the ServiceAccounts' names.
type leftovers struct {
	finalizers map[string]bool
	retain     map[string]bool
	secrets    map[string]refresh.State
	// unseen are roles that IAM does not show yet, and for how many looks.
	unseen map[string]int
	fails  map[string]error
	// orphans are roles that no ServiceAccount would release.
	orphans  []string
	disabled error

	mu    sync.Mutex
	calls []string
}

func key(name string) identity.Key {
	return identity.Key{Source: identity.ServiceAccount, Namespace: "ns", Name: name}
}

func (i *leftovers) call(verb string, key identity.Key) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.calls = append(i.calls, verb+" "+key.Name)
	return i.fails[verb+" "+key.Name]
}

func (i *leftovers) Owners() iter.Seq[identity.Key] {
	return func(yield func(identity.Key) bool) {
		for name := range i.finalizers {
			if !yield(key(name)) {
				return
			}
		}
	}
}

func (i *leftovers) Finalizer(key identity.Key) (uid string, present, retain bool) {
	return "uid", i.finalizers[key.Name], i.retain[key.Name]
}

func (i *leftovers) end(verb string, key identity.Key, id string) (bool, error) {
	if err := i.call(verb+id, key); err != nil {
		return false, err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.unseen[key.Name] > 0 {
		i.unseen[key.Name]--
		return false, nil
	}
	return true, nil
}

func (i *leftovers) Delete(_ context.Context, key identity.Key, id string) (bool, error) {
	return i.end("delete", key, id)
}

func (i *leftovers) Retain(_ context.Context, key identity.Key, id string) (bool, error) {
	return i.end("retain", key, id)
}

// Reference is the role of every ServiceAccount in the cluster "c".
func (i *leftovers) Reference(_ context.Context, key identity.Key) (identity.RoleReference, error) {
	return identity.RoleReference{Partition: "aws", Account: "123456789012", Path: "c/", Name: "ns." + key.Name}, nil
}

func (i *leftovers) Disabled() error { return i.disabled }

func (i *leftovers) Sweep(_ context.Context, owners iter.Seq[identity.Key], found func(identity.Key, string)) error {
	known := slices.Collect(owners)
	for _, name := range i.orphans {
		if !slices.Contains(known, key(name)) {
			found(key(name), "AROA9")
		}
	}
	return i.fails["sweep"]
}

func (i *leftovers) RemoveFinalizer(_ context.Context, key identity.Key) error {
	return i.call("finalizer", key)
}

func (i *leftovers) ClearRoleARN(_ context.Context, key identity.Key) error {
	return i.call("annotation", key)
}

func (i *leftovers) Observe(key identity.Key) refresh.State { return i.secrets[key.Name] }

func (i *leftovers) Remove(_ context.Context, key identity.Key) error {
	return i.call("secret", key)
}

func (i *leftovers) run(t *testing.T, retain bool) (Summary, string) {
	t.Helper()
	var out strings.Builder
	u := Uninstaller{Accounts: i, IAM: i, Secrets: i, Retain: retain, ReadyTimeout: 25 * time.Second, Output: NewPrinter(&out)}
	summary, err := u.Run(t.Context())
	require.NoError(t, err)
	return summary, out.String()
}

// of returns the calls for one ServiceAccount.
func (i *leftovers) of(name string) string {
	return strings.Join(slices.DeleteFunc(slices.Clone(i.calls), func(c string) bool { return !strings.HasSuffix(c, " "+name) }), ", ")
}

// managed is a Secret of the managed role of a ServiceAccount.
func managed(name string) refresh.State {
	return refresh.State{Exists: true, RoleARN: "arn:aws:iam::123456789012:role/c/ns." + name, RoleID: "AROA1"}
}

func TestTheFinalizerGoesLast(t *testing.T) {
	i := &leftovers{finalizers: map[string]bool{"app": true}, secrets: map[string]refresh.State{"app": managed("app")}}
	summary, out := i.run(t, false)
	assert.Equal(t, Summary{Deleted: 1}, summary)
	assert.Equal(t, "deleteAROA1 app, secret app, annotation app, finalizer app", i.of("app"))
	assert.Equal(t, "ns/app: role deleted; finalizer removed\n", out)
}

func TestWhatIsRetainedKeepsItsCredentials(t *testing.T) {
	i := &leftovers{
		finalizers: map[string]bool{"app": true, "kept": true}, retain: map[string]bool{"kept": true},
		secrets: map[string]refresh.State{"app": managed("app"), "kept": managed("kept")},
	}
	summary, _ := i.run(t, false)
	assert.Equal(t, Summary{Deleted: 1, Retained: 1}, summary)
	assert.Equal(t, "retainAROA1 kept, finalizer kept", i.of("kept"))

	i.calls = nil
	summary, _ = i.run(t, true)
	assert.Equal(t, Summary{Retained: 2}, summary)
	assert.Equal(t, "retainAROA1 app, finalizer app", i.of("app"))
}

func TestOnlyServiceAccountsWithTheFinalizerAreReleased(t *testing.T) {
	i := &leftovers{finalizers: map[string]bool{"asks": false}}
	summary, out := i.run(t, false)
	assert.Zero(t, summary)
	assert.Empty(t, i.calls)
	assert.Empty(t, out)
}

func TestCredentialsOfAnotherRoleStay(t *testing.T) {
	for name, have := range map[string]refresh.State{
		"an existing role": {Exists: true, RoleARN: "arn:aws:iam::123456789012:role/existing"},
		"none":             {},
	} {
		i := &leftovers{finalizers: map[string]bool{"app": true}, secrets: map[string]refresh.State{"app": have}}
		summary, _ := i.run(t, false)
		assert.Equal(t, Summary{Deleted: 1}, summary, name)
		assert.Equal(t, "delete app, finalizer app", i.of("app"), name)
	}
}

func TestARoleThatIsSomebodyElsesIsLeftAlone(t *testing.T) {
	i := &leftovers{
		finalizers: map[string]bool{"app": true}, secrets: map[string]refresh.State{"app": managed("app")},
		fails: map[string]error{"deleteAROA1 app": &identity.StepError{Reason: "RoleNotOwned", Message: "not ours", Err: errors.New("not ours")}},
	}
	summary, out := i.run(t, false)
	assert.Equal(t, Summary{Absent: 1}, summary)
	assert.Equal(t, "deleteAROA1 app, finalizer app", i.of("app"), "its credentials are as good as before")
	assert.Contains(t, out, "ns/app: not ours\n")
}

func TestTheNameOfAnotherClusterReleasesNothing(t *testing.T) {
	for _, arn := range []string{"arn:aws:iam::123456789012:role/other/ns.other", "arn:aws:iam::999999999999:role/c/ns.app"} {
		i := &leftovers{
			finalizers: map[string]bool{"app": true}, secrets: map[string]refresh.State{"app": {Exists: true, RoleARN: arn, RoleID: "AROA1"}},
		}
		summary, out := i.run(t, false)
		assert.Equal(t, Summary{Failed: 1}, summary)
		assert.Empty(t, i.calls)
		assert.Contains(t, out, "--cluster-name")
	}
}

func TestAnEditedSecretDoesNotSayWhichRoleItIs(t *testing.T) {
	have := managed("another")
	have.Edited = true
	i := &leftovers{finalizers: map[string]bool{"app": true}, secrets: map[string]refresh.State{"app": have}}
	i.run(t, false)
	assert.Contains(t, i.of("app"), "delete app")
}

func TestAFailureKeepsOneFinalizerAndStopsNothingElse(t *testing.T) {
	for _, step := range []string{"deleteAROA1", "secret", "annotation", "finalizer"} {
		i := &leftovers{
			finalizers: map[string]bool{"app": true, "other": true}, fails: map[string]error{step + " app": errors.New("away")},
			secrets: map[string]refresh.State{"app": managed("app")},
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
		i := &leftovers{finalizers: map[string]bool{"app": true, "never": true}, unseen: map[string]int{"app": 2, "never": 100}}
		start := time.Now()
		summary, _ := i.run(t, false)
		assert.Equal(t, Summary{Deleted: 1, Absent: 1}, summary)
		assert.Equal(t, 25*time.Second, time.Since(start), "as long as IAM may take")
		assert.Contains(t, i.of("never"), "finalizer never")
	})
}

func TestRunEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &leftovers{finalizers: map[string]bool{"app": true}, unseen: map[string]int{"app": 1000}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		u := Uninstaller{Accounts: i, IAM: i, Secrets: i, ReadyTimeout: time.Hour, Output: NewPrinter(&strings.Builder{})}
		summary, err := u.Run(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, 1, summary.Failed)
		assert.NotContains(t, i.of("app"), "finalizer")
	})
}

func TestWhatIsLeftIsSaid(t *testing.T) {
	i := &leftovers{finalizers: map[string]bool{"app": true}, orphans: []string{"app", "gone"}}
	summary, out := i.run(t, false)
	assert.Equal(t, Summary{Deleted: 1, Left: 1}, summary)
	assert.Contains(t, out, "ns/gone: its managed role is left")

	i.fails = map[string]error{"sweep": errors.New("denied")}
	_, out = i.run(t, false)
	assert.Contains(t, out, "it is not known whether managed roles are left: denied\n")

	i.disabled = errors.New("no roles are made")
	summary, _ = i.run(t, false)
	assert.Zero(t, summary.Left)
}

func TestADryRunSaysWhatWouldBecomeOfEachRoleAndChangesNothing(t *testing.T) {
	i := &leftovers{
		finalizers: map[string]bool{"app": true, "kept": true, "other": true, "asks": false}, retain: map[string]bool{"kept": true},
		secrets: map[string]refresh.State{"other": managed("another")}, orphans: []string{"gone"},
	}
	var out strings.Builder
	u := Uninstaller{Accounts: i, IAM: i, Secrets: i, Output: NewPrinter(&out)}
	require.NoError(t, u.Plan(t.Context()))
	assert.Empty(t, i.calls)
	lines := strings.Split(out.String(), "\n")
	assert.Equal(t, "ns/app: would delete the role arn:aws:iam::123456789012:role/c/ns.app and remove the finalizer", lines[0])
	assert.Equal(t, "ns/kept: would retain the role arn:aws:iam::123456789012:role/c/ns.kept and remove the finalizer", lines[1])
	assert.Contains(t, lines[2], "ns/other: would fail, and keep its finalizer: its Secret is of the role ")
	assert.Contains(t, lines[3], "ns/gone: its managed role is left")
	assert.Equal(t, "nothing was changed: this was a dry run", lines[4])
}

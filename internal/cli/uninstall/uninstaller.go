package uninstall

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/refresh"
)

// concurrency is how many identities are released at once. Requests to IAM have a rate
// limit of their own.
const concurrency = 8

// IAM has the managed roles, see iamprovision.Provisioner. Its errors are
// *identity.StepError.
type IAM interface {
	// Reference returns the managed role of an identity, whether or not it exists.
	Reference(ctx context.Context, key identity.Key) (identity.RoleReference, error)
	// Delete and Retain report whether there was such a role. id is its unique ID, "" if
	// not known.
	Delete(ctx context.Context, key identity.Key, id string) (bool, error)
	Retain(ctx context.Context, key identity.Key, id string) (bool, error)
	// Disabled returns an error if no roles are created.
	Disabled() error
	// Sweep calls found for each managed role that is not retained and belongs to none of
	// the owners.
	Sweep(ctx context.Context, owners iter.Seq[identity.Key], found func(key identity.Key, id string)) error
}

// Accounts knows the ServiceAccounts with a managed role.
type Accounts interface {
	// Owners yields those that ask for a managed role or have the finalizer.
	Owners() iter.Seq[identity.Key]
	// Finalizer reports whether the finalizer is on a ServiceAccount, and whether its
	// role is to be retained.
	Finalizer(key identity.Key) (uid string, present, retain bool)
	RemoveFinalizer(ctx context.Context, key identity.Key) error
	// ClearRoleARN removes the annotation with the ARN of the role.
	ClearRoleARN(ctx context.Context, key identity.Key) error
}

// Secrets has the credentials.
type Secrets interface {
	Observe(key identity.Key) refresh.State
	Remove(ctx context.Context, key identity.Key) error
}

// An Uninstaller releases identities. Everything it does may be done again.
type Uninstaller struct {
	Accounts Accounts
	IAM      IAM
	Secrets  Secrets
	// Retain keeps all managed roles, with the tag that says so, and the credentials
	// of them. Otherwise those are deleted whose ServiceAccount does not say Retain.
	Retain bool
	// Namespace is the only one that is served, "" for all.
	Namespace string
	// ReadyTimeout is how long IAM may not show a role that was created.
	ReadyTimeout time.Duration
	Output       *Printer
}

// A Summary counts managed roles by what became of them. Absent ones did not exist, or
// are somebody else's. Left ones have no ServiceAccount that would release them.
type Summary struct {
	Deleted, Retained, Absent, Failed, Left int
}

// Run releases every ServiceAccount with the finalizer. One that fails keeps its
// finalizer, and does not stop the others.
func (u *Uninstaller) Run(ctx context.Context) (Summary, error) {
	var (
		mu      sync.Mutex
		summary Summary
		group   errgroup.Group
	)
	group.SetLimit(concurrency)
	keys := u.withFinalizer()
	for _, key := range keys {
		group.Go(func() error {
			became, err := u.release(ctx, key)
			u.Output.Print(key, describe(became, err))
			mu.Lock()
			defer mu.Unlock()
			summary.count(became, err)
			return nil
		})
	}
	_ = group.Wait() // what failed is in the summary
	summary.Left = u.left(ctx, keys)
	return summary, errors.Join(context.Cause(ctx), u.Output.Err())
}

// withFinalizer returns the ServiceAccounts with the finalizer, sorted.
func (u *Uninstaller) withFinalizer() []identity.Key {
	var keys []identity.Key
	for key := range u.Accounts.Owners() {
		if _, present, _ := u.Accounts.Finalizer(key); present {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(a, b identity.Key) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return keys
}

// release releases one ServiceAccount: its role, then what depends on that, and last the
// finalizer, so that a failure is taken up again by the next run.
func (u *Uninstaller) release(ctx context.Context, key identity.Key) (outcome, error) {
	have := u.Secrets.Observe(key)
	became, err := u.releaseRole(ctx, key, have)
	if err != nil {
		return became, err
	}
	// The Secret may be of another role by now, whose credentials are still good.
	if (became == deleted || became == absent) && have.RoleID != "" {
		if err = u.Secrets.Remove(ctx, key); err != nil {
			return became, err
		}
		if err = u.Accounts.ClearRoleARN(ctx, key); err != nil {
			return became, err
		}
	}
	return became, u.Accounts.RemoveFinalizer(ctx, key)
}

// left prints the managed roles that no ServiceAccount with a finalizer would have
// released. Where roles are not created nobody may be allowed to look.
func (u *Uninstaller) left(ctx context.Context, released []identity.Key) (count int) {
	if u.IAM.Disabled() != nil {
		return 0
	}
	err := u.IAM.Sweep(ctx, slices.Values(released), func(key identity.Key, _ string) {
		if u.Namespace == "" || key.Namespace == u.Namespace {
			count++
			u.Output.Print(key, "its managed role is left, because the ServiceAccount is gone or has no finalizer: delete the role, or tag it with retained=true")
		}
	})
	if err != nil {
		u.Output.Say(fmt.Sprintf("it is not known whether managed roles are left: %v", err))
	}
	return count
}

func (s *Summary) count(became outcome, err error) {
	switch {
	case err != nil:
		s.Failed++
	case became == retained:
		s.Retained++
	case became == deleted:
		s.Deleted++
	default:
		s.Absent++
	}
}

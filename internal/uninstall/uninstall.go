// Package uninstall releases what the controller leaves in a cluster and in IAM: the
// finalizers, without which nobody could delete a ServiceAccount or its namespace once
// the controller is gone, and the managed roles.
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

// Roles releases managed roles, see managedrole.Manager.
type Roles interface {
	// Release deletes the role, or tags it as retained, and returns how soon to come
	// back, 0 if there is nothing left to do. id is its unique ID, "" if not known.
	Release(ctx context.Context, key identity.Key, id string) (time.Duration, error)
	RemoveFinalizer(ctx context.Context, key identity.Key) error
}

// Accounts knows the ServiceAccounts with a managed role.
type Accounts interface {
	// Owners yields those that ask for a managed role or have the finalizer.
	Owners() iter.Seq[identity.Key]
	// Finalizer returns whether the finalizer is on a ServiceAccount, and whether its
	// role is to be retained.
	Finalizer(key identity.Key) (uid string, present, retain bool)
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
	Roles    Roles
	Secrets  Secrets
	// Retain keeps all managed roles, with the tag that says so, and the credentials
	// of them. Otherwise those are deleted whose ServiceAccount does not say Retain.
	Retain bool
	Output *Printer
}

// A Summary counts the managed roles.
type Summary struct {
	Deleted, Retained, Failed int
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
	for _, key := range u.withFinalizer() {
		group.Go(func() error {
			retained, err := u.release(ctx, key)
			mu.Lock()
			defer mu.Unlock()
			summary.add(retained, err)
			u.Output.Print(key, outcome(err))
			return nil
		})
	}
	_ = group.Wait() // what failed is in the summary
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
func (u *Uninstaller) release(ctx context.Context, key identity.Key) (retained bool, err error) {
	_, _, retained = u.Accounts.Finalizer(key)
	retained = retained || u.Retain
	if err = u.releaseRole(ctx, key); err != nil {
		return retained, err
	}
	if !retained { // its credentials are worth nothing any more
		if err = u.Secrets.Remove(ctx, key); err != nil {
			return retained, err
		}
		if err = u.Accounts.ClearRoleARN(ctx, key); err != nil {
			return retained, err
		}
	}
	return retained, u.Roles.RemoveFinalizer(ctx, key)
}

// releaseRole waits where IAM may not show yet that there is a role.
func (u *Uninstaller) releaseRole(ctx context.Context, key identity.Key) error {
	id := ""
	if have := u.Secrets.Observe(key); !have.Edited { // whoever wrote it could keep the role
		id = have.RoleID
	}
	for {
		again, err := u.Roles.Release(ctx, key, id)
		if err != nil || again == 0 {
			return err
		}
		timer := time.NewTimer(again)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
	}
}

func (s *Summary) add(retained bool, err error) {
	switch {
	case err != nil:
		s.Failed++
	case retained:
		s.Retained++
	default:
		s.Deleted++
	}
}

func outcome(err error) string {
	if err != nil {
		return fmt.Sprintf("failed, and keeps its finalizer: %v", err)
	}
	return "finalizer removed"
}

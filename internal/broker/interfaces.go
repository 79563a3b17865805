package broker

import (
	"context"
	"time"

	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/refresh"
)

// A Source is one kind of object that requests identities.
type Source interface {
	// Desired returns, from a cache, what the object requests, or nil if it does not exist
	// or requests nothing. Together with an *identity.InvalidError it returns what could
	// be parsed. Any other error means that the request is not fully known yet. It makes a
	// call only to determine the controller's own account.
	Desired(ctx context.Context, key identity.Key) (*identity.Desired, error)
	// Report shows a status on the object. It writes only what differs, and returns
	// nil if the object is gone.
	Report(ctx context.Context, want identity.Desired, status identity.Status) error
	// Release asks the API server, not a cache, whether the identity is no longer
	// requested. Nothing is deleted unless it returns true.
	Release(ctx context.Context, key identity.Key) (bool, error)
}

// Rules tell which roles an object may use.
type Rules interface {
	// Permit returns an *identity.InvalidError if the object may not use the role. role is
	// called only if the answer depends on it. Any other error means that this is not
	// known.
	Permit(ctx context.Context, key identity.Key, role func(context.Context) (identity.RoleReference, error)) error
}

// ManagedRoles manages the roles that the controller creates. Its errors are
// *identity.StepError or *identity.InvalidError.
type ManagedRoles interface {
	// Begin forgets everything.
	Begin()
	// Forget drops the memory of an identity that is gone with its role.
	Forget(key identity.Key)
	// HasOwner drops what a sweep for orphaned roles found of an identity.
	HasOwner(key identity.Key)
	// Disabled returns an error if no roles are created.
	Disabled() error
	// Reference returns the role of an identity, whether or not it exists.
	Reference(ctx context.Context, key identity.Key) (identity.RoleReference, error)
	// MayExist reports, without a call, whether a role may have been created.
	MayExist(key identity.Key) bool
	// Ensured reports whether this process ensured a role of the identity.
	Ensured(key identity.Key) bool
	// ID returns the remembered unique ID of the role, or otherwise the given one.
	ID(key identity.Key, otherwise string) string
	// LastUsed returns when the role with a unique ID was last used: recorded, unless more
	// is known.
	LastUsed(key identity.Key, id string, recorded identity.RoleUse) identity.RoleUse
	// Recent returns the role if it was ensured for want a short while ago.
	Recent(want identity.Desired) (identity.Role, bool)
	// Settling returns when to retry what failed for a role that changed so recently that
	// IAM and STS may not agree on it yet.
	Settling(key identity.Key) (retry time.Duration, is bool)
	// InspectIn returns the time until the role has to be inspected, 0 or less if that is
	// due; false if roles are not inspected.
	InspectIn(key identity.Key) (wait time.Duration, is bool)
	// InspectFailed reports whether the last inspection failed.
	InspectFailed(key identity.Key) bool

	// AddFinalizer adds the finalizer to the object before its role is created. It makes a
	// call only if the finalizer is not there already.
	AddFinalizer(ctx context.Context, want identity.Desired) error
	// Ensure makes the role exist and match, with the finalizer on its object. A role that
	// was created but could not be completed is returned together with the error.
	Ensure(ctx context.Context, want identity.Desired, id string) (identity.Role, error)
	// Inspect corrects what somebody else changed of the role, or lets others use IAM
	// first. It returns when to inspect the role again, and whether the role was gone and
	// was created again.
	Inspect(ctx context.Context, want identity.Desired, id string) (next time.Duration, created bool, err error)
	// Release deletes or retains the role, and returns how soon to come back, 0 if there
	// is nothing left to do.
	Release(ctx context.Context, key identity.Key, id string) (time.Duration, error)
	// RemoveFinalizer lets the object of a role that is gone be deleted.
	RemoveFinalizer(ctx context.Context, key identity.Key) error
}

// Sessions assumes roles.
type Sessions interface {
	// Resolve returns the role that want requests.
	Resolve(ctx context.Context, want identity.Desired) (identity.RoleReference, error)
	// Assume returns an *identity.InvalidError for a role that is never handed out.
	Assume(ctx context.Context, want identity.Desired) (identity.Credentials, error)
	// MayRunOn reports whether the controller may be using credentials that an object of
	// a namespace has for a role.
	MayRunOn(ctx context.Context, namespace string, role identity.RoleReference) (bool, error)
}

// Secrets keeps credentials.
type Secrets interface {
	// Observe returns what is known of the Secret, without a call.
	Observe(key identity.Key) refresh.State
	// CheckName returns an error if the Secret's name is known to be taken.
	CheckName(ctx context.Context, want identity.Desired) error
	// Apply writes the Secret and reports whether it was created. Its errors are
	// *identity.StepError.
	Apply(ctx context.Context, want identity.Desired, creds identity.Credentials) (refresh.State, bool, error)
	// Remove deletes the Secret; nil if it is already gone.
	Remove(ctx context.Context, key identity.Key) error
	// LabelsDiffer reports, without a call, whether the Secret needs other labels. It is
	// false if Apply still has to write the Secret.
	LabelsDiffer(want identity.Desired) bool
	// Relabel gives the Secret the labels of want without touching its data. Its errors
	// are *identity.StepError.
	Relabel(ctx context.Context, want identity.Desired) error
	// Forget drops the memory of an identity that has no Secret.
	Forget(key identity.Key)
}

// ExternalIDs checks that existing roles enforce their external ID.
type ExternalIDs interface {
	// Begin forgets everything, Forget one identity.
	Begin()
	Forget(key identity.Key)
	// Reissue reports whether fresh credentials have to be reissued because their role was
	// not checked.
	Reissue(have refresh.State) bool
	// Check returns when the role was last seen to enforce its external ID, or the zero
	// Time if it need not. It returns an error if the role does not, or if that is not
	// known.
	Check(ctx context.Context, want identity.Desired) (time.Time, error)
	// Confirm repeats the check of a role that was checked just now, after it was assumed.
	Confirm(ctx context.Context, want identity.Desired, role string) error
	// Revokes reports whether credentials of a role that fails the check are removed.
	Revokes(want identity.Desired, have refresh.State) bool
}

// Metrics counts renewals.
type Metrics interface {
	// ObserveRefresh counts an attempt. It succeeded if err is nil.
	ObserveRefresh(source, reason string, took time.Duration, err error)
}

package managedrole

import (
	"context"
	"iter"

	"kube-aws-iam-controller/internal/identity"
)

// IAM makes roles match requests. Its errors are *identity.StepError or
// *identity.InvalidError.
type IAM interface {
	// Disabled returns an error if no roles are created.
	Disabled() error
	// Reference returns the role that Ensure creates, whether or not it exists.
	Reference(ctx context.Context, key identity.Key) (identity.RoleReference, error)
	// Ensure makes the role exist and match want. id is its unique ID, "" if unknown;
	// identity.ErrRoleGone means that the role with that ID was deleted.
	Ensure(ctx context.Context, want identity.Desired, id string) (identity.Role, error)
	// Differs returns what Ensure would change of the role, without writing.
	Differs(ctx context.Context, want identity.Desired, id string) (identity.Role, error)
	// ReadBoundary returns what is known of the permissions boundary of the roles, nil if
	// there is none or it cannot be read.
	ReadBoundary(ctx context.Context) (*identity.Boundary, error)
	// Busy reports whether somebody is waiting to send a request.
	Busy() bool
	// Delete and Retain report whether there was such a role.
	Delete(ctx context.Context, key identity.Key, id string) (bool, error)
	Retain(ctx context.Context, key identity.Key, id string) (bool, error)
	// Sweep calls found, with the unique ID, for each managed role that belongs to none of
	// the owners.
	Sweep(ctx context.Context, owners iter.Seq[identity.Key], found func(key identity.Key, id string)) error
}

// Finalizers protect objects from deletion until their managed roles are deleted.
type Finalizers interface {
	// AddFinalizer makes a call only if the finalizer is not there already.
	AddFinalizer(ctx context.Context, want identity.Desired) error
	// Finalizer returns, from a cache, the UID of the object, "" if unknown, whether the
	// finalizer is on it, and whether its role has to be retained.
	Finalizer(key identity.Key) (uid string, present, retain bool)
	// Owners yields, from a cache, every object that requests a managed role or has the
	// finalizer.
	Owners() iter.Seq[identity.Key]
	RemoveFinalizer(ctx context.Context, key identity.Key) error
}

// Secrets forgets which role a Secret names.
type Secrets interface {
	// ForgetRole removes the unique ID of the role from the Secret. Its errors are
	// *identity.StepError.
	ForgetRole(ctx context.Context, key identity.Key) error
}

// Events records events on objects.
type Events interface {
	Normal(want identity.Desired, reason, message string)
	Warn(want identity.Desired, waiting bool, reason, message string)
}

// Metrics counts corrections of drift.
type Metrics interface {
	ObserveDrift(kind string)
}

package managedrole

import (
	"context"
	"iter"

	"kube-aws-iam-controller/internal/identity"
)

// IAM makes roles match what is asked for. Its errors are *identity.StepError or
// *identity.InvalidError.
type IAM interface {
	// Disabled returns an error if no roles are made.
	Disabled() error
	// Reference returns the role that Ensure makes, whether or not it is there.
	Reference(ctx context.Context, key identity.Key) (identity.RoleReference, error)
	// Ensure makes the role be there and match want. id is its unique ID, "" if that
	// is not known; identity.ErrRoleGone says that the role with that ID was deleted.
	Ensure(ctx context.Context, want identity.Desired, id string) (identity.Role, error)
	// Differs returns what Ensure would change of the role, and writes nothing.
	Differs(ctx context.Context, want identity.Desired, id string) (identity.Role, error)
	// ReadBoundary returns what is known of the permissions boundary of the roles, nil if
	// there is none or it cannot be read.
	ReadBoundary(ctx context.Context) (*identity.Boundary, error)
	// Busy reports whether somebody waits for a turn to send a request.
	Busy() bool
	// Delete and Retain report whether there was such a role.
	Delete(ctx context.Context, key identity.Key, id string) (bool, error)
	Retain(ctx context.Context, key identity.Key, id string) (bool, error)
	// Sweep calls found for each managed role that belongs to none of the owners,
	// with its unique ID.
	Sweep(ctx context.Context, owners iter.Seq[identity.Key], found func(key identity.Key, id string)) error
}

// Finalizers keeps objects from being deleted before their managed roles are.
type Finalizers interface {
	// AddFinalizer makes a call only if the finalizer is not there already.
	AddFinalizer(ctx context.Context, want identity.Desired) error
	// Finalizer returns, from a cache, the UID of the object, "" if it is not known,
	// whether the finalizer is on it, and whether its role is to be retained.
	Finalizer(key identity.Key) (uid string, present, retain bool)
	// Owners yields, from a cache, every object that asks for a managed role or has
	// the finalizer.
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

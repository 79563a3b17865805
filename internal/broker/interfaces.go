package broker

import (
	"context"
	"iter"
	"time"

	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/refresh"
)

// A Source is one kind of object that asks for identities.
type Source interface {
	// Desired returns, from a cache, what the object asks for; nil if there
	// is no such object or it asks for nothing. Beside an
	// *identity.InvalidError it returns as much as can be read.
	Desired(key identity.Key) (*identity.Desired, error)
	// Report shows a status on the object. It writes only what differs, and
	// returns nil if the object is gone.
	Report(ctx context.Context, want identity.Desired, status identity.Status) error
	// Release asks the API server, not a cache, whether the identity is no
	// longer asked for. Nothing is deleted unless it returns true.
	Release(ctx context.Context, key identity.Key) (bool, error)
}

// A Holder holds objects back until the roles that were made for them are
// gone.
type Holder interface {
	// Hold holds the object back; a call only if it is not held already.
	Hold(ctx context.Context, want identity.Desired) error
	// Held returns, from a cache, the UID of the object, "" if it is not
	// known, whether it is held back, and whether its role is to be kept.
	Held(key identity.Key) (uid string, held, retain bool)
	// Owners yields, from a cache, every object that asks for a role of its
	// own or is held back.
	Owners() iter.Seq[identity.Key]
	// LetGo lets the object go.
	LetGo(ctx context.Context, key identity.Key) error
}

// Roles makes IAM roles of objects' own. Its errors are *identity.StepError or
// *identity.InvalidError.
type Roles interface {
	// Disabled returns an error if no roles are made.
	Disabled() error
	// Reference returns the role that Ensure makes, whether or not it is there.
	Reference(ctx context.Context, key identity.Key) (identity.RoleReference, error)
	// Ensure makes the role be there and as want asks. id is its unique id,
	// "" if that is not known; identity.ErrRoleGone says that the role with
	// that id is not there any more.
	Ensure(ctx context.Context, want identity.Desired, id string) (identity.Role, error)
	// Differs returns what Ensure would change of the role, and writes nothing.
	Differs(ctx context.Context, want identity.Desired, id string) (identity.Role, error)
	// Delete and Retain say whether there was such a role.
	Delete(ctx context.Context, key identity.Key, id string) (bool, error)
	Retain(ctx context.Context, key identity.Key, id string) (bool, error)
	// Sweep calls found for each role that was made and is none of the
	// owners', with its unique id.
	Sweep(ctx context.Context, owners iter.Seq[identity.Key], found func(key identity.Key, id string)) error
}

// Rules tell which roles an object may use.
type Rules interface {
	// Permit returns an *identity.InvalidError if it may not use the role,
	// which is asked for where that matters. Another error says that this is
	// not known.
	Permit(ctx context.Context, key identity.Key, role func(context.Context) (identity.RoleReference, error)) error
}

// Sessions assumes roles.
type Sessions interface {
	// Account returns the partition and account that the controller itself is in.
	Account(ctx context.Context) (identity.BaseRole, error)
	// Resolve returns the role that is meant.
	Resolve(ctx context.Context, want identity.Desired) (identity.RoleReference, error)
	// RefusesOthers says whether the role refuses to be assumed under another
	// external ID; an error, that this is not known.
	RefusesOthers(ctx context.Context, want identity.Desired) (bool, error)
	// Assume returns an *identity.InvalidError for a role that is never handed
	// out.
	Assume(ctx context.Context, want identity.Desired) (identity.Credentials, error)
}

// Secrets keeps credentials.
type Secrets interface {
	// Observe returns what is known of the Secret, without a call.
	Observe(key identity.Key) refresh.State
	// Free returns an error if the Secret's name is known to be taken.
	Free(ctx context.Context, want identity.Desired) error
	// Apply writes the Secret and says whether it was created. Its errors
	// are *identity.StepError.
	Apply(ctx context.Context, want identity.Desired, creds identity.Credentials) (refresh.State, bool, error)
	// Remove deletes the Secret; nil if it is already gone.
	Remove(ctx context.Context, key identity.Key) error
	// LabelsDiffer says, without a call, whether the Secret is to be given other
	// labels. It is false where Apply has yet to write it.
	LabelsDiffer(want identity.Desired) bool
	// Relabel gives the Secret the labels of want, and touches no data. Its
	// errors are *identity.StepError.
	Relabel(ctx context.Context, want identity.Desired) error
	// ForgetRole makes the Secret name no unique id of a role. Its errors are
	// *identity.StepError.
	ForgetRole(ctx context.Context, key identity.Key) error
	// Forget drops what is remembered of an identity that has no Secret.
	Forget(key identity.Key)
}

// Reporter tells people.
type Reporter interface {
	Normal(want identity.Desired, reason, message string)
	Warn(ctx context.Context, want identity.Desired, waiting bool, reason, message string)
}

// Metrics counts renewals and corrections.
type Metrics interface {
	ObserveDrift(kind string)
	ObserveRefresh(source, reason, result string, took time.Duration)
}

package status

import (
	"slices"
	"time"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/refresh"
)

// State is the state of an identity.
type State string

// The states, those that need somebody's attention most first.
const (
	// Expired credentials are no longer accepted by AWS.
	Expired State = "expired"
	// Conflict: the Secret of this name is not the controller's.
	Conflict State = "conflict"
	// Refused: the object or its namespace has to be changed before it is served.
	Refused State = "refused"
	// Waiting: no credentials were issued yet.
	Waiting State = "waiting"
	// Edited: the Secret was changed, and the controller has not restored it yet.
	Edited State = "edited"
	// Stale: the credentials are valid, but were issued for an earlier request.
	Stale State = "stale"
	// Expiring credentials are due for renewal.
	Expiring State = "expiring"
	// Unknown: the user may not list Secrets.
	Unknown State = "unknown"
	// Ready credentials are valid, and not due yet.
	Ready State = "ready"
	// Removed: the object is gone, or requests nothing any more. Only a watch tells.
	Removed State = "removed"
)

// byTrouble are all states in the order in which they are printed.
var byTrouble = []State{Expired, Conflict, Refused, Waiting, Edited, Stale, Expiring, Unknown, Ready, Removed}

// rank is the place of a state in byTrouble.
func (s State) rank() int { return slices.Index(byTrouble, s) }

// view is what is known of one identity.
type view struct {
	now time.Time
	// limit is how long before their expiration the controller renews credentials.
	limit time.Duration
	want  *identity.Desired
	// refusal is why the controller's parser refuses the object.
	refusal error
	have    refresh.State
	// foreign reports that a Secret of this name exists that is not the controller's.
	foreign bool
	// hidden reports that Secrets could not be listed.
	hidden bool
	// reported is the state according to the object's own status, "" if it has none.
	reported State
	last     *Problem
}

// dueStates are the states of credentials that are due for renewal.
var dueStates = map[refresh.Reason]State{
	refresh.Missing:     Waiting,
	refresh.Unreadable:  Edited,
	refresh.SpecChanged: Stale,
	refresh.Edited:      Edited,
	refresh.NearExpiry:  Expiring,
}

// refusals are the reasons of events that only a change of the object or its namespace,
// or of the controller's settings, can resolve.
var refusals = []string{api.InvalidAnnotation, api.RoleNotPermitted, api.ProvisioningDisabled}

// state is pure.
func (v *view) state() State {
	switch {
	case v.refusal != nil:
		return Refused
	case v.hidden && v.reported != "":
		return v.reported
	case v.hidden:
		return Unknown
	case v.foreign:
		return Conflict
	case !v.have.Exists && v.last != nil && slices.Contains(refusals, v.last.Reason):
		return Refused
	case v.have.Exists && !v.have.Expiration.IsZero() && !v.have.Valid(v.now):
		return Expired
	}
	if reason, due := refresh.Due(v.now, *v.want, v.have, v.limit); due {
		return dueStates[reason]
	}
	return Ready
}

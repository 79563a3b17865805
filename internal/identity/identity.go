// Package identity describes the AWS identity that an object in the cluster
// asks for: which role, under which external ID, for how long. It holds values
// and the rules for reading them, and talks to nobody.
package identity

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"
)

// A Source is the kind of object that asks for an identity.
type Source string

// The sources.
const (
	ServiceAccount Source = "serviceaccount"
	AWSIAMRole     Source = "awsiamrole"
)

// A Key names one identity: the object that asks for it.
type Key struct {
	Source    Source
	Namespace string
	Name      string
}

// String returns source/namespace/name, as logs show it.
func (k Key) String() string {
	return string(k.Source) + "/" + k.Namespace + "/" + k.Name
}

// Desired is the identity one object asks for.
type Desired struct {
	Key

	// UID is the object's, so that an object recreated under its name is
	// never taken for the one before.
	UID string
	// Generation is the metadata.generation of an AWSIAMRole, 0 otherwise.
	Generation int64
	// Labels are copied to the Secret of an AWSIAMRole.
	Labels map[string]string
	// KeepLabels says that they are not known: those of the Secret stay.
	KeepLabels bool
	// Notice is what its author should know although it can be served, "" for
	// nothing.
	Notice string

	// SecretName is the Secret that holds the credentials, in Namespace.
	SecretName string
	// Role is the role asked for; of one's own, once it is known.
	Role RoleReference
	// Managed asks for a managed role, nil for an existing one.
	Managed *ManagedRole
	// RoleID is the unique id of an own role, once it is known.
	RoleID string
	// ExternalID is presented to STS, see the package trust.
	ExternalID string
	// Proven is when the role was last seen to refuse another external ID, the
	// zero Time if never.
	Proven time.Time
	// SessionDuration is the lifetime asked for, 15 minutes to 12 hours.
	SessionDuration time.Duration

	// pinnedHash replaces SpecHash where the specification cannot be read
	// and the last good one is kept.
	pinnedHash string
}

// SpecHash identifies what credentials are issued for: which object, asking
// for what. It is computed before names are resolved, so that AWS need not be
// asked to know that nothing changed.
func (d Desired) SpecHash() string {
	if d.pinnedHash != "" {
		return d.pinnedHash
	}
	spec := []any{"v1", d.UID, d.Role.String(), d.SessionDuration, d.ExternalID, d.Generation}
	if d.Managed != nil {
		// The role's name follows from the object's, its ARN is AWS's to tell.
		spec = []any{"own", d.UID, d.Managed.Policy, d.Managed.ManagedPolicies, d.SessionDuration, d.ExternalID}
	}
	text, err := json.Marshal(spec)
	if err != nil { // strings and integers always marshal
		return ""
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// LastGood returns d asking once more for the role, the session duration and
// the specification that credentials were last issued for. An own role is
// used as it is.
func (d Desired) LastGood(role RoleReference, session time.Duration, hash string) Desired {
	d.Role, d.SessionDuration, d.pinnedHash = role, session, hash
	d.Managed = nil
	return d
}

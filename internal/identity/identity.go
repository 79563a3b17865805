// Package identity defines the AWS identity that a Kubernetes object requests:
// which role, under which external ID, for how long. It contains values and the
// rules for parsing them, and performs no I/O.
package identity

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"kube-aws-iam-controller/internal/api"
)

// A Source is the kind of object that requests an identity.
type Source string

// The supported sources.
const (
	ServiceAccount Source = "serviceaccount"
	AWSIAMRole     Source = "awsiamrole"
)

// Owner returns the API version and kind of the objects of s, as owner references
// and events name them.
func (s Source) Owner() (apiVersion, kind string) {
	if s == ServiceAccount {
		return api.ServiceAccountAPIVersion, api.ServiceAccountKind
	}
	return api.AWSIAMRoleAPIVersion, api.AWSIAMRoleKind
}

// A Key identifies an identity by the object that requests it.
type Key struct {
	Source    Source
	Namespace string
	Name      string
}

// String returns source/namespace/name, the form used in logs.
func (k Key) String() string {
	return string(k.Source) + "/" + k.Namespace + "/" + k.Name
}

// Desired is the identity that an object requests.
type Desired struct {
	Key

	// UID is that of the object. It distinguishes an object from an earlier one of
	// the same name.
	UID string
	// Generation is metadata.generation of an AWSIAMRole, 0 for a ServiceAccount.
	Generation int64
	// Labels are copied to the Secret of an AWSIAMRole.
	Labels map[string]string
	// KeepLabels reports that Labels are unknown and the labels of the Secret are
	// to be left unchanged.
	KeepLabels bool
	// Notice is a warning for the author of a request that can be served
	// nevertheless, "" for none.
	Notice string

	// SecretName is the name of the Secret that holds the credentials, in
	// Namespace.
	SecretName string
	// Role is the requested role. For a managed role it is set once the role
	// exists.
	Role RoleReference
	// Managed is the specification of a managed role, nil if an existing role is
	// requested.
	Managed *ManagedRole
	// RoleID is the unique ID of a managed role (AROA…), "" until it is known.
	RoleID string
	// ExternalID is passed to STS, see the package trust.
	ExternalID string
	// Proven is when the role was last seen to reject a wrong external ID, the zero
	// Time if never.
	Proven time.Time
	// SessionDuration is the requested duration, between MinSession and MaxSession.
	SessionDuration time.Duration

	// pinnedHash overrides SpecHash for a request returned by LastGood.
	pinnedHash string
}

// SpecHash returns 16 hexadecimal digits that identify what credentials are issued
// for: the object and its request. It is computed before role names are resolved,
// so that an unchanged request is recognized without calling AWS. The hashed values
// must never change, because Secrets of earlier versions carry them.
func (d Desired) SpecHash() string {
	if d.pinnedHash != "" {
		return d.pinnedHash
	}
	spec := []any{"v1", d.UID, d.Role.String(), d.SessionDuration, d.ExternalID, d.Generation}
	if d.Managed != nil {
		// The role's name is derived from the object's, its ARN is only known to AWS.
		spec = []any{"own", d.UID, d.Managed.Policy, d.Managed.ManagedPolicies, d.SessionDuration, d.ExternalID}
	}
	text, err := json.Marshal(spec)
	if err != nil { // strings and integers always marshal
		return ""
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// LastGood returns a copy of d that requests the role, session duration and spec
// hash for which credentials were last issued. A managed role is used as an
// existing one: it is neither created nor changed.
func (d Desired) LastGood(role RoleReference, session time.Duration, hash string) Desired {
	d.Role, d.SessionDuration, d.pinnedHash = role, session, hash
	d.Managed = nil
	return d
}

// Package identity defines the AWS identity that a Kubernetes object requests:
// which role, under which external ID, for how long. It contains values and the
// rules for parsing them, and performs no I/O.
package identity

import (
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
	// RoleUsed is when a managed role was last used, as far as that is known.
	RoleUsed RoleUse
	// PolicyHash is that of what a managed role was last made to have, "" if that is not
	// known. It is not part of the request.
	PolicyHash string
	// ExternalID is passed to STS, see the package trust.
	ExternalID string
	// Proven is when the role was last seen to reject a wrong external ID, the zero
	// Time if never.
	Proven time.Time
	// SessionDuration is the requested duration, between MinSession and MaxSession.
	SessionDuration time.Duration
	// SessionPolicy limits what the credentials permit, as compact JSON of at most
	// 2,048 characters, "" for all that the role does.
	SessionPolicy string

	// pinnedHash overrides SpecHash for a request returned by LastGood.
	pinnedHash string
}

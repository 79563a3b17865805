// Package awsiamrole is the source of identities requested by AWSIAMRole resources:
// it has their API types and a client, parses what they request, and writes their
// status.
package awsiamrole

import (
	"encoding/json"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"kube-aws-iam-controller/internal/api"
)

// GroupVersion is the API group and version of AWSIAMRole.
var GroupVersion = schema.GroupVersion{Group: api.AWSIAMRoleGroup, Version: api.AWSIAMRoleVersion}

// Resource is the API resource of AWSIAMRoles.
var Resource = GroupVersion.WithResource("awsiamroles")

// An AWSIAMRole requests credentials for an existing IAM role, in a Secret of the
// same name and namespace.
type AWSIAMRole struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`

	Spec   Spec   `json:"spec"`
	Status Status `json:"status,omitzero"`

	// omitted records what the cached object lacks, nil for an object that is not
	// from the cache.
	omitted *omitted
}

// Spec is the request.
type Spec struct {
	// RoleReference is a role name, path/name, or role ARN.
	RoleReference string `json:"roleReference"`
	// RoleSessionDuration is in seconds, 900 to 43200; 0 means 3600.
	RoleSessionDuration int64 `json:"roleSessionDuration,omitempty"`
	// SessionPolicy is an IAM policy in JSON, nil for none. An empty one is invalid: who
	// gives one wants a limit.
	SessionPolicy *string `json:"sessionPolicy,omitempty"`
}

// Status is the state that the controller reports.
type Status struct {
	ObservedGeneration *int64       `json:"observedGeneration,omitempty"`
	RoleARN            string       `json:"roleARN,omitempty"`
	Expiration         *metav1.Time `json:"expiration,omitempty"`
	// Conditions contain Ready. Clusters with the predecessor's CRD drop them.
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// UnmarshalJSON implements json.Unmarshaler. A status that cannot be decoded, such
// as one with an invalid time, becomes an empty one: otherwise a single object
// would make every list fail.
func (s *Status) UnmarshalJSON(text []byte) error {
	type plain Status
	var p plain
	if err := json.Unmarshal(text, &p); err != nil {
		p = plain{}
	}
	*s = Status(p)
	return nil
}

// List is a list of AWSIAMRoles.
type List struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`

	Items []AWSIAMRole `json:"items"`
}

// DeepCopyObject implements runtime.Object.
func (r *AWSIAMRole) DeepCopyObject() runtime.Object {
	c := *r
	c.ObjectMeta = *r.DeepCopy()
	if r.Spec.SessionPolicy != nil {
		c.Spec.SessionPolicy = new(*r.Spec.SessionPolicy)
	}
	c.Status = r.Status.deepCopy()
	return &c
}

func (s *Status) deepCopy() Status {
	c := *s
	if s.ObservedGeneration != nil {
		c.ObservedGeneration = new(*s.ObservedGeneration)
	}
	c.Expiration = s.Expiration.DeepCopy()
	c.Conditions = append([]metav1.Condition(nil), s.Conditions...)
	return c
}

// DeepCopyObject implements runtime.Object.
func (l *List) DeepCopyObject() runtime.Object {
	c := *l
	c.ListMeta = *l.DeepCopy()
	c.Items = make([]AWSIAMRole, len(l.Items))
	for i := range l.Items {
		role, _ := l.Items[i].DeepCopyObject().(*AWSIAMRole)
		c.Items[i] = *role
	}
	return &c
}

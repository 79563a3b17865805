// Package awsiamrole serves AWSIAMRole resources: their API types, a client,
// what they ask for, and the status that tells what became of it.
package awsiamrole

import (
	"encoding/json"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion is the API group and version of AWSIAMRole.
var GroupVersion = schema.GroupVersion{Group: "zalando.org", Version: "v1"}

// Resource is what the API server serves AWSIAMRoles as.
var Resource = GroupVersion.WithResource("awsiamroles")

// An AWSIAMRole asks for credentials of an existing IAM role, in a Secret of
// its own name.
type AWSIAMRole struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`

	Spec   Spec   `json:"spec"`
	Status Status `json:"status,omitzero"`

	// left is what a cached one lacks, nil for one that is not from the cache.
	omitted *omitted
}

// Spec is what is asked for.
type Spec struct {
	// RoleReference is a role name, path/name, or role ARN.
	RoleReference string `json:"roleReference"`
	// RoleSessionDuration is in seconds, 0 for an hour.
	RoleSessionDuration int64 `json:"roleSessionDuration,omitempty"`
}

// Status is what became of it.
type Status struct {
	ObservedGeneration *int64       `json:"observedGeneration,omitempty"`
	RoleARN            string       `json:"roleARN,omitempty"`
	Expiration         *metav1.Time `json:"expiration,omitempty"`
	// Conditions hold Ready. Clusters that still have the predecessor's
	// resource definition drop them.
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// UnmarshalJSON implements json.Unmarshaler. Whoever may write a status can put
// into it what is no time, and one object that cannot be read would fail the
// list of all: such a status is none.
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

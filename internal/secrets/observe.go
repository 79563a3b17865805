package secrets

import (
	"strconv"
	"time"
	"unique"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/refresh"
)

// maxARN exceeds the length of any role ARN: 30 characters of partition, 12 of
// account, 511 of path, 64 of name, and 16 of separators.
const maxARN = 640

// observation is what the cache keeps of a Secret: no data, and of the metadata
// only what decisions are based on. With tens of thousands of Secrets, complete
// metadata would use most of the controller's memory.
type observation struct {
	namespace, name string
	refresh.State
	// A patch can only add to maps that exist.
	noAnnotations, noLabels bool
	// labels are those of an AWSIAMRole's Secret other than the identifying ones.
	// They are omitted if they exceed the limits.
	labels        []observedLabel
	labelsOmitted bool
}

// GetObjectMeta provides the key and the resource version to the informer's store.
func (o *observation) GetObjectMeta() metav1.Object {
	return &metav1.ObjectMeta{
		Namespace: o.namespace, Name: o.name, UID: types.UID(o.UID), ResourceVersion: o.ResourceVersion,
	}
}

// Transform returns the transform function of the informer for a source's Secrets.
// It leaves objects that it returned before unchanged, as informers require.
func Transform(source identity.Source) func(any) (any, error) {
	return func(obj any) (any, error) {
		meta, ok := obj.(*metav1.PartialObjectMetadata)
		if !ok {
			return obj, nil
		}
		return observe(source, &meta.ObjectMeta), nil
	}
}

func observe(source identity.Source, meta *metav1.ObjectMeta) *observation {
	o := &observation{
		namespace: unique.Make(meta.Namespace).Value(), // one copy for all
		name:      meta.Name,

		noAnnotations: len(meta.Annotations) == 0,
		noLabels:      len(meta.Labels) == 0,
		State: refresh.State{
			Exists:          hasNoController(meta),
			UID:             string(meta.UID),
			ResourceVersion: meta.ResourceVersion,
			RoleARN:         dropLong(maxARN, meta.Annotations[api.RoleARNAnnotation]),
			RoleID:          dropLong(128, meta.Annotations[api.RoleIDAnnotation]),
			SpecHash:        dropLong(64, meta.Annotations[api.SpecHashAnnotation]),
			PolicyHash:      dropLong(64, meta.Annotations[api.PolicyHashAnnotation]),
			Edited:          edited(source, meta.ManagedFields),
		},
	}
	o.RoleUsed = identity.ParseRoleUse(meta.Annotations[api.RoleLastUsedAnnotation])
	o.observeSessionPolicy(meta.Annotations[api.SessionPolicyAnnotation])
	o.labels, o.labelsOmitted = observeLabels(source, meta)
	if at, err := time.Parse(time.RFC3339, meta.Annotations[api.ExternalIDProvenAnnotation]); err == nil {
		o.Proven = at.UTC()
	}
	parseTimes(&o.State, meta.Annotations[api.ExpirationAnnotation], meta.Annotations[api.SessionDurationAnnotation])
	return o
}

// foreignPolicy stands for an annotation that is not the session policy of the
// credentials. No hash covers it.
const foreignPolicy = "(another)"

// observeSessionPolicy records the session policy of the credentials. Their hash tells
// whether somebody changed or removed it: managedFields do not tell what was removed of
// annotations that only some Secrets have.
func (o *observation) observeSessionPolicy(recorded string) {
	o.SessionPolicy = recorded
	if len(recorded) <= identity.MaxSessionPolicyBytes && identity.Covers(o.SpecHash, recorded) {
		return
	}
	if o.Edited = true; recorded != "" {
		o.SessionPolicy = foreignPolicy // of any length
	}
}

// parseTimes parses annotations that other clients may have written.
func parseTimes(s *refresh.State, expiration, session string) {
	at, err := time.Parse(time.RFC3339, expiration)
	if err != nil && expiration == "" {
		return // the predecessor's Secrets have none
	}
	if err != nil {
		s.Unreadable = identity.Cut(expiration)
		return
	}
	s.Expiration = at.UTC()
	if seconds, err := strconv.ParseUint(session, 10, 31); err == nil {
		s.Session = time.Duration(seconds) * time.Second
	}
}

// dropLong returns v, or "" if it is longer than any value that the controller
// writes there, so that users cannot fill the controller's memory with annotations.
func dropLong(length int, v string) string {
	if len(v) > length {
		return ""
	}
	return v
}

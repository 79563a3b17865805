package secrets

import (
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/refresh"
)

// longestARN is more than the ARN of a role can have: 30 characters of
// partition, 12 of account, 511 of path, 64 of name, and 16 around them.
const maxARN = 640

// observation is what the cache keeps of a Secret: no data, only what decisions
// are taken from. With tens of thousands of Secrets, whole
// metadata would be most of the process's memory.
type observation struct {
	namespace, name string
	refresh.State
	// A patch has to know where there is no map to add to.
	noAnnotations, noLabels bool
	// labels are those that an AWSIAMRole's has besides our own, none where
	// they are too many.
	labels        []observedLabel
	labelsOmitted bool
}

// GetObjectMeta lets the informer's store find the key and resource version.
func (o *observation) GetObjectMeta() metav1.Object {
	return &metav1.ObjectMeta{
		Namespace: o.namespace, Name: o.name, UID: types.UID(o.UID), ResourceVersion: o.ResourceVersion,
	}
}

// Transform returns what the informer of a source's Secrets keeps of an
// object. It leaves alone what it made before, as informers demand.
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
		namespace: meta.Namespace,
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
			Edited:          edited(source, meta.ManagedFields),
		},
	}
	o.labels, o.labelsOmitted = observeLabels(source, meta)
	if at, err := time.Parse(time.RFC3339, meta.Annotations[api.ExternalIDProvenAnnotation]); err == nil {
		o.Proven = at.UTC()
	}
	parseTimes(&o.State, meta.Annotations[api.ExpirationAnnotation], meta.Annotations[api.SessionDurationAnnotation])
	return o
}

// readTimes fills in what the annotations say; others may have written them.
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

// atMost returns v, or "" where it is longer than anything we write there:
// a cache may not be filled by whoever annotates Secrets.
func dropLong(length int, v string) string {
	if len(v) > length {
		return ""
	}
	return v
}

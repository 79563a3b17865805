package awsiamrole

import (
	"fmt"
	"strings"
	"unique"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/internal/api"
)

// Limits of what the cache keeps of one AWSIAMRole, so that users cannot fill the
// controller's memory.
const (
	maxReference  = 2048 // longer than any ARN
	maxMalformed  = 512  // of a session policy, which is kept if it is not longer
	maxARN        = 2048
	maxMessage    = 4096 // longer than any message of the controller
	maxLabels     = 64
	maxLabelBytes = 8192
)

// omitted records what the cache does not keep of an AWSIAMRole.
type omitted struct {
	// labels is the size of labels that exceed the limits, zero if none were
	// omitted.
	labels labelSize
	// conditions reports that the status has conditions other than Ready.
	conditions bool
	// policyProblem is what is wrong with a session policy that was omitted, "" if none
	// was.
	policyProblem string
}

// labelSize is a number of labels and the total bytes of their keys and values.
type labelSize struct{ number, bytes int32 }

// omittedLabels returns the size of the labels that were omitted from the cache.
func (r *AWSIAMRole) omittedLabels() labelSize {
	if r.omitted == nil {
		return labelSize{}
	}
	return r.omitted.labels
}

// notice returns a warning that labels of this size are not copied, "" if none were
// omitted.
func (t labelSize) notice() string {
	if t == (labelSize{}) {
		return ""
	}
	return fmt.Sprintf("The labels are not copied to the Secret: there are %d of %d bytes, and a Secret is given at most %d of %d bytes. Take some off",
		t.number, t.bytes, maxLabels, maxLabelBytes)
}

// nothingOmitted is shared by nearly all AWSIAMRoles, to save memory.
var nothingOmitted = &omitted{}

// Transform reduces an AWSIAMRole to what the informer caches: fields that are
// never read are dropped, others are limited in size. Objects that it returned
// before are left unchanged, as informers require.
func Transform(obj any) (any, error) {
	role, ok := obj.(*AWSIAMRole)
	if !ok || role.omitted != nil {
		return obj, nil
	}
	role.ManagedFields, role.Annotations, role.OwnerReferences, role.Finalizers = nil, nil, nil, nil
	role.TypeMeta = metav1.TypeMeta{}
	role.Namespace = shared(role.Namespace)
	if len(role.Spec.RoleReference) > maxReference { // invalid with or without the rest
		role.Spec.RoleReference = strings.Clone(role.Spec.RoleReference[:maxReference]) + "…"
	}
	left := omitted{labels: limitLabels(role), conditions: limitStatus(&role.Status), policyProblem: limitSessionPolicy(&role.Spec)}
	if role.omitted = nothingOmitted; left != *nothingOmitted {
		role.omitted = &left
	}
	return role, nil
}

// limitSessionPolicy shortens a session policy to what has the same meaning. It removes
// a long one that is malformed, and then returns what is wrong with it.
func limitSessionPolicy(spec *Spec) string {
	if spec.SessionPolicy == nil {
		return ""
	}
	compact, err := parseSessionPolicy(*spec.SessionPolicy)
	switch {
	case err == nil:
		spec.SessionPolicy = &compact
	case len(*spec.SessionPolicy) > maxMalformed:
		spec.SessionPolicy = nil
		return err.Error()
	}
	return ""
}

// limitLabels removes all labels if they exceed the limits, and then returns their
// size.
func limitLabels(role *AWSIAMRole) labelSize {
	all := labelSize{number: int32(min(len(role.Labels), 1<<30))}
	for key, value := range role.Labels {
		all.bytes += int32(min(len(key)+len(value), 1<<16)) // a valid label has at most 381 bytes
	}
	if all.number <= maxLabels && all.bytes <= maxLabelBytes {
		return labelSize{}
	}
	role.Labels = nil
	return all
}

// limitStatus removes what the controller would not have written, and reports
// whether conditions of other types were removed.
func limitStatus(status *Status) bool {
	if len(status.RoleARN) > maxARN {
		status.RoleARN = ""
	}
	ready := meta.FindStatusCondition(status.Conditions, api.ReadyCondition)
	others := len(status.Conditions) > 1 || len(status.Conditions) == 1 && ready == nil
	if ready != nil && len(ready.Reason)+len(ready.Message) > maxMessage {
		ready = nil // Report writes it again
	}
	if ready == nil {
		status.Conditions = nil
		return others
	}
	ready.Type, ready.Status = shared(ready.Type), shared(ready.Status)
	ready.Reason, ready.Message = shared(ready.Reason), shared(ready.Message)
	if others {
		status.Conditions = []metav1.Condition{*ready}
	}
	return others
}

// shared returns a string of which there is one copy in memory, since nearly all
// AWSIAMRoles say the same.
func shared[S ~string](s S) S { return unique.Make(s).Value() }

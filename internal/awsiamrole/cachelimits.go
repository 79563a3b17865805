package awsiamrole

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Bounds of what the cache keeps of one AWSIAMRole: a cache may not be filled by
// whoever creates them.
const (
	maxReference  = 2048 // more than an ARN can have
	maxARN        = 2048
	maxMessage    = 4096 // more than any of ours
	maxLabels     = 64
	maxLabelBytes = 8192
)

// leftOut says what of an AWSIAMRole is not in the cache.
type omitted struct {
	// labels count those that are too many.
	labels labelSize
	// conditions says that the status has others than Ready.
	conditions bool
}

// A tally counts labels, and the bytes of their keys and values.
type labelSize struct{ number, bytes int32 }

// lacks counts the labels that a cached AWSIAMRole lacks.
func (r *AWSIAMRole) omittedLabels() labelSize {
	if r.omitted == nil {
		return labelSize{}
	}
	return r.omitted.labels
}

// notice says what is not done with labels that are too many, "" if they are not.
func (t labelSize) notice() string {
	if t == (labelSize{}) {
		return ""
	}
	return fmt.Sprintf("The labels are not copied to the Secret: there are %d of %d bytes, and a Secret is given at most %d of %d bytes. Take some off",
		t.number, t.bytes, maxLabels, maxLabelBytes)
}

// nothingLeftOut is what nearly all AWSIAMRoles have in common.
var nothingOmitted = &omitted{}

// Transform drops from a cached AWSIAMRole what is never read, and what is too
// much. It leaves alone what it made before, as informers demand.
func Transform(obj any) (any, error) {
	role, ok := obj.(*AWSIAMRole)
	if !ok || role.omitted != nil {
		return obj, nil
	}
	role.ManagedFields, role.Annotations, role.OwnerReferences, role.Finalizers = nil, nil, nil, nil
	role.TypeMeta = metav1.TypeMeta{}
	if len(role.Spec.RoleReference) > maxReference { // not understood either way
		role.Spec.RoleReference = strings.Clone(role.Spec.RoleReference[:maxReference]) + "…"
	}
	left := omitted{labels: limitLabels(role), conditions: limitStatus(&role.Status)}
	if role.omitted = nothingOmitted; left != *nothingOmitted {
		role.omitted = &left
	}
	return role, nil
}

// boundLabels takes off labels that are too many, and returns how many they are.
func limitLabels(role *AWSIAMRole) labelSize {
	all := labelSize{number: int32(min(len(role.Labels), 1<<30))}
	for key, value := range role.Labels {
		all.bytes += int32(min(len(key)+len(value), 1<<16)) // a label has at most 381
	}
	if all.number <= maxLabels && all.bytes <= maxLabelBytes {
		return labelSize{}
	}
	role.Labels = nil
	return all
}

// boundStatus takes off what we would not have written, and says whether
// conditions of other types were there.
func limitStatus(status *Status) bool {
	if len(status.RoleARN) > maxARN {
		status.RoleARN = ""
	}
	ready := meta.FindStatusCondition(status.Conditions, Ready)
	others := len(status.Conditions) > 1 || len(status.Conditions) == 1 && ready == nil
	if ready != nil && len(ready.Reason)+len(ready.Message) > maxMessage {
		ready = nil // to be written anew
	}
	switch {
	case ready == nil:
		status.Conditions = nil
	case others:
		status.Conditions = []metav1.Condition{*ready}
	}
	return others
}

package secrets

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// hasNoController reports whether a Secret has no controller reference. Neither
// this controller nor its predecessor sets one, so a Secret with one belongs to
// something else regardless of its labels.
func hasNoController(meta *metav1.ObjectMeta) bool { return metav1.GetControllerOfNoCopy(meta) == nil }

// isOurs reports whether the controller may write a Secret that has the name of
// want's. The identifying labels decide. If somebody removed them, an owner
// reference to the object together with data written by the controller does, or, on
// an API server that keeps no managedFields, the controller's annotations. The
// oldest Secrets of the predecessor have the heritage label and nothing else.
func isOurs(want identity.Desired, meta *metav1.ObjectMeta) bool {
	if !hasNoController(meta) {
		return false
	}
	if labels.SelectorFromSet(identifyingLabels(want.Source)).Matches(labels.Set(meta.Labels)) {
		return true
	}
	if _, typed := meta.Labels[api.TypeLabel]; want.Source == identity.AWSIAMRole && !typed &&
		meta.Labels[api.HeritageLabel] == api.ControllerName && len(meta.OwnerReferences) == 0 {
		return true
	}
	for _, owner := range meta.OwnerReferences {
		if string(owner.UID) == want.UID && (wroteData(meta.ManagedFields) || len(meta.ManagedFields) == 0 && hasOurAnnotations(meta)) {
			return true
		}
	}
	return false
}

// hasOurAnnotations reports whether a Secret has all annotations that the
// controller writes.
func hasOurAnnotations(meta *metav1.ObjectMeta) bool {
	return !slices.ContainsFunc(annotationKeys, func(key string) bool { return meta.Annotations[key] == "" })
}

package secrets

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// ours says whether a Secret with our labels can be ours: neither we nor the
// predecessor make one that has a controller.
func hasNoController(meta *metav1.ObjectMeta) bool { return metav1.GetControllerOfNoCopy(meta) == nil }

// isOurs says whether a Secret that stands under our name may be written.
// Labels decide; where somebody took those off, our own traces do: an owner
// reference to the very object, on a Secret whose data we wrote. An API server
// that was made to drop its record of who wrote what never begins another, so
// there our annotations have to tell. The predecessor's oldest Secrets carry the
// heritage label and nothing else.
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

// annotated says whether a Secret has all the annotations that we write.
func hasOurAnnotations(meta *metav1.ObjectMeta) bool {
	return !slices.ContainsFunc(annotationKeys, func(key string) bool { return meta.Annotations[key] == "" })
}

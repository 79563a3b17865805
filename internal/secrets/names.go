// Package secrets keeps credentials in Secrets: it renders them, writes them,
// observes what became of them by metadata alone, and removes them.
package secrets

import (
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// optionalAnnotations are not on every Secret.
var optionalAnnotations = []string{api.RoleIDAnnotation, api.ExternalIDProvenAnnotation}

var annotationKeys = []string{
	api.RoleARNAnnotation, api.ExpirationAnnotation, api.ExternalIDAnnotation, api.SpecHashAnnotation, api.SessionDurationAnnotation,
}

// maxName is the longest name of an object,
// https://kubernetes.io/docs/concepts/overview/working-with-objects/names/.
const maxName = 253

// MaxServiceAccountName is the longest name of a ServiceAccount whose Secret
// can still be named after it.
const MaxServiceAccountName = maxName - len(api.SecretSuffix)

// Name returns the name of the Secret that belongs to an object.
func Name(source identity.Source, object string) string {
	if source == identity.ServiceAccount {
		return object + api.SecretSuffix
	}
	return object
}

// objectName returns the name of the object that a Secret belongs to, "" if it
// belongs to none.
func objectName(source identity.Source, secret string) string {
	if source == identity.ServiceAccount {
		object, found := strings.CutSuffix(secret, api.SecretSuffix)
		if !found {
			return ""
		}
		return object
	}
	return secret
}

// ownLabels returns the labels that make a Secret ours. The predecessor
// deletes by the heritage label what it does not know, so ServiceAccounts'
// Secrets never carry it.
func ownLabels(source identity.Source) map[string]string {
	if source == identity.ServiceAccount {
		return map[string]string{api.ManagedByLabel: api.ControllerName, api.SourceLabel: string(source)}
	}
	return map[string]string{api.HeritageLabel: api.ControllerName, api.TypeLabel: string(source)}
}

// Selector selects the Secrets of a source.
func Selector(source identity.Source) string { return labels.Set(ownLabels(source)).String() }

// secretLabels returns all labels of want's Secret. Those copied from the
// resource may not make the Secret look like one of the other source's.
func secretLabels(want identity.Desired) map[string]string {
	all := make(map[string]string, len(want.Labels)+2)
	maps.Copy(all, want.Labels)
	delete(all, api.SourceLabel)
	maps.Copy(all, ownLabels(want.Source))
	return all
}

func ownerReference(want identity.Desired) map[string]any {
	version, kind := ownerKind(want.Source)
	return map[string]any{"apiVersion": version, "kind": kind, "name": want.Name, "uid": want.UID}
}

func ownerKind(source identity.Source) (apiVersion, kind string) {
	if source == identity.ServiceAccount {
		return "v1", "ServiceAccount"
	}
	return "zalando.org/v1", "AWSIAMRole"
}

// ours says whether a Secret with our labels can be ours: neither we nor the
// predecessor make one that has a controller.
func ours(meta *metav1.ObjectMeta) bool { return metav1.GetControllerOfNoCopy(meta) == nil }

// isOurs says whether a Secret that stands under our name may be written.
// Labels decide; where somebody took those off, our own traces do: an owner
// reference to the very object, on a Secret whose data we wrote. An API server
// that was made to drop its record of who wrote what never begins another, so
// there our annotations have to tell. The predecessor's oldest Secrets carry the
// heritage label and nothing else.
func isOurs(want identity.Desired, meta *metav1.ObjectMeta) bool {
	if !ours(meta) {
		return false
	}
	if labels.SelectorFromSet(ownLabels(want.Source)).Matches(labels.Set(meta.Labels)) {
		return true
	}
	if _, typed := meta.Labels[api.TypeLabel]; want.Source == identity.AWSIAMRole && !typed &&
		meta.Labels[api.HeritageLabel] == api.ControllerName && len(meta.OwnerReferences) == 0 {
		return true
	}
	for _, owner := range meta.OwnerReferences {
		if string(owner.UID) == want.UID && (wroteData(meta.ManagedFields) || len(meta.ManagedFields) == 0 && annotated(meta)) {
			return true
		}
	}
	return false
}

// annotated says whether a Secret has all the annotations that we write.
func annotated(meta *metav1.ObjectMeta) bool {
	return !slices.ContainsFunc(annotationKeys, func(key string) bool { return meta.Annotations[key] == "" })
}

// Package secrets keeps credentials in Secrets: it renders them, writes them,
// observes what became of them by metadata alone, and removes them.
package secrets

import (
	"maps"
	"strings"

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
func identifyingLabels(source identity.Source) map[string]string {
	if source == identity.ServiceAccount {
		return map[string]string{api.ManagedByLabel: api.ControllerName, api.SourceLabel: string(source)}
	}
	return map[string]string{api.HeritageLabel: api.ControllerName, api.TypeLabel: string(source)}
}

// Selector selects the Secrets of a source.
func Selector(source identity.Source) string { return labels.Set(identifyingLabels(source)).String() }

// secretLabels returns all labels of want's Secret. Those copied from the
// resource may not make the Secret look like one of the other source's.
func secretLabels(want identity.Desired) map[string]string {
	all := make(map[string]string, len(want.Labels)+2)
	maps.Copy(all, want.Labels)
	delete(all, api.SourceLabel)
	maps.Copy(all, identifyingLabels(want.Source))
	return all
}

func ownerReference(want identity.Desired) map[string]any {
	version, kind := want.Source.Owner()
	return map[string]any{"apiVersion": version, "kind": kind, "name": want.Name, "uid": want.UID}
}

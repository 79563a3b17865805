// Package secrets stores credentials in Secrets: it renders and writes them,
// observes them through their metadata alone, and deletes them.
package secrets

import (
	"maps"
	"strings"

	"k8s.io/apimachinery/pkg/labels"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// optionalAnnotations are only on some of the controller's Secrets.
var optionalAnnotations = []string{
	api.RoleIDAnnotation, api.RoleLastUsedAnnotation, api.PolicyHashAnnotation, api.ExternalIDProvenAnnotation, api.SessionPolicyAnnotation,
}

// annotationKeys are on every Secret of the controller.
var annotationKeys = []string{
	api.RoleARNAnnotation, api.ExpirationAnnotation, api.ExternalIDAnnotation, api.SpecHashAnnotation, api.SessionDurationAnnotation,
}

// Name returns the name of the Secret for an object.
func Name(source identity.Source, object string) string {
	if source == identity.ServiceAccount {
		return object + api.SecretSuffix
	}
	return object
}

// objectName returns the name of the object to which a Secret belongs, "" if its
// name is not one that Name returns.
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

// identifyingLabels returns the labels that identify a Secret as the controller's.
// Secrets of ServiceAccounts never have the heritage label, because the predecessor
// deletes unknown Secrets that have it.
func identifyingLabels(source identity.Source) map[string]string {
	if source == identity.ServiceAccount {
		return map[string]string{api.ManagedByLabel: api.ControllerName, api.SourceLabel: string(source)}
	}
	return map[string]string{api.HeritageLabel: api.ControllerName, api.TypeLabel: string(source)}
}

// Selector returns the label selector for the Secrets of a source.
func Selector(source identity.Source) string { return labels.Set(identifyingLabels(source)).String() }

// secretLabels returns all labels of want's Secret. Labels copied from an
// AWSIAMRole must not make its Secret look like one of a ServiceAccount.
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

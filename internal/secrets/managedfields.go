package secrets

import (
	"encoding/json"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// The API server records in managedFields which manager last wrote each field:
// https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management.
// From this, whether another client changed the credentials is known without
// reading them, and across restarts.

// fieldSet is the part of a managedFields entry that covers fields written by the
// controller.
type fieldSet struct {
	Data      map[string]struct{} `json:"f:data"`
	Immutable json.RawMessage     `json:"f:immutable"`
	Metadata  struct {
		Annotations map[string]struct{} `json:"f:annotations"`
		Labels      map[string]struct{} `json:"f:labels"`
		Owners      json.RawMessage     `json:"f:ownerReferences"`
	} `json:"f:metadata"`
}

func parseFields(entry metav1.ManagedFieldsEntry) fieldSet {
	var set fieldSet
	if entry.FieldsV1 != nil {
		// An entry that cannot be decoded owns nothing. If it is the
		// controller's, the Secret counts as edited, which is safe.
		_ = json.Unmarshal(entry.FieldsV1.GetRawBytes(), &set)
	}
	return set
}

// wroteData reports whether the controller wrote any of the data.
func wroteData(entries []metav1.ManagedFieldsEntry) bool {
	return slices.ContainsFunc(entries, func(e metav1.ManagedFieldsEntry) bool {
		return e.Manager == api.ControllerName && len(parseFields(e).Data) > 0
	})
}

// ancientChanges is the manager under which the API server merges old entries when
// more than ten managers have updated an object. It may include ours.
const ancientChanges = "ancient-changes"

// edited reports whether another client wrote or removed fields that belong to the
// controller.
func edited(source identity.Source, entries []metav1.ManagedFieldsEntry) bool {
	ours, owned := map[string]bool{}, false
	for _, entry := range entries {
		set := parseFields(entry)
		if entry.Manager == api.ControllerName || entry.Manager == ancientChanges {
			for key := range set.Data {
				ours[key] = true
			}
			for key := range set.Metadata.Annotations {
				ours[key] = true
			}
			owned = owned || set.Metadata.Owners != nil
			continue
		}
		if set.hasOurFields(source) {
			return true
		}
	}
	for _, key := range dataKeys(source) {
		if !ours["f:"+key] {
			return true
		}
	}
	return !owned || slices.ContainsFunc(annotationKeys, func(key string) bool { return !ours["f:"+key] })
}

// hasOurFields reports whether an entry of another manager includes fields that
// belong to the controller. Other labels and annotations may be added by anybody.
func (s fieldSet) hasOurFields(source identity.Source) bool {
	if len(s.Data) > 0 || s.Immutable != nil || s.Metadata.Owners != nil {
		return true
	}
	for _, key := range slices.Concat(optionalAnnotations, annotationKeys) {
		if _, has := s.Metadata.Annotations["f:"+key]; has {
			return true
		}
	}
	for key := range identifyingLabels(source) {
		if _, has := s.Metadata.Labels["f:"+key]; has {
			return true
		}
	}
	return false
}

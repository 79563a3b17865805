package secrets

import (
	"encoding/json"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// The API server records who last wrote each field of an object:
// https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management.
// That record tells, from metadata alone and across restarts, whether somebody
// else wrote to the credentials.

// fieldSet is the part of a managedFields entry that is about what we write.
type fieldSet struct {
	Data      map[string]json.RawMessage `json:"f:data"`
	Immutable json.RawMessage            `json:"f:immutable"`
	Metadata  struct {
		Annotations map[string]json.RawMessage `json:"f:annotations"`
		Labels      map[string]json.RawMessage `json:"f:labels"`
		Owners      json.RawMessage            `json:"f:ownerReferences"`
	} `json:"f:metadata"`
}

func parseFields(entry metav1.ManagedFieldsEntry) fieldSet {
	var set fieldSet
	if entry.FieldsV1 != nil {
		// An entry that cannot be read owns nothing; if it is ours, the
		// Secret counts as edited, which is the safe side.
		_ = json.Unmarshal(entry.FieldsV1.GetRawBytes(), &set)
	}
	return set
}

// wroteData says whether we wrote any of the data.
func wroteData(entries []metav1.ManagedFieldsEntry) bool {
	return slices.ContainsFunc(entries, func(e metav1.ManagedFieldsEntry) bool {
		return e.Manager == api.ControllerName && len(parseFields(e).Data) > 0
	})
}

// ancient is the manager under which the API server keeps what it no longer
// keeps one by one, when more than ten have written to an object: ours among
// them.
const ancientChanges = "ancient-changes"

// edited says whether somebody else wrote or took away what is ours.
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

// foreign says whether a set that is not ours holds what we write. Other
// labels and annotations are everybody's to add.
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

package secrets

import (
	"maps"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// Limits of what the cache keeps of the labels of one Secret. They exceed those of
// an AWSIAMRole, see the package awsiamrole, because other clients add labels.
const (
	maxLabels     = 128
	maxLabelBytes = 16_384
)

// An observedLabel is a label of a Secret other than those that identify it as
// ours.
type observedLabel struct {
	key, value string
	// copied reports that the controller wrote it, so that it is removed when the
	// AWSIAMRole no longer has it.
	copied bool
}

// observeLabels returns the labels that may have been copied from an AWSIAMRole,
// sorted by key, or reports that they exceed the limits of the cache.
func observeLabels(source identity.Source, meta *metav1.ObjectMeta) (labels []observedLabel, tooMany bool) {
	if source != identity.AWSIAMRole {
		return nil, false
	}
	others := maps.Clone(meta.Labels)
	for key := range identifyingLabels(source) {
		delete(others, key)
	}
	if len(others) == 0 || exceedsLabelLimits(others) {
		return nil, len(others) > 0
	}
	written := writtenLabels(meta.ManagedFields)
	labels = make([]observedLabel, 0, len(others))
	for _, key := range slices.Sorted(maps.Keys(others)) {
		labels = append(labels, observedLabel{key: key, value: others[key], copied: written["f:"+key]})
	}
	return labels, false
}

func exceedsLabelLimits(labels map[string]string) bool {
	bytes := 0
	for key, value := range labels {
		bytes += len(key) + len(value)
	}
	return len(labels) > maxLabels || bytes > maxLabelBytes
}

// writtenLabels returns the field names of the labels that the controller wrote,
// according to managedFields.
func writtenLabels(entries []metav1.ManagedFieldsEntry) map[string]bool {
	written := map[string]bool{}
	for _, entry := range entries {
		if entry.Manager != api.ControllerName {
			continue
		}
		for key := range parseFields(entry).Metadata.Labels {
			written[key] = true
		}
	}
	return written
}

// staleLabels returns the keys of labels that were copied from an AWSIAMRole that
// no longer has them.
func (o *observation) staleLabels(want identity.Desired) []string {
	if want.KeepLabels {
		return nil
	}
	var stale []string
	for _, l := range o.labels {
		if _, wanted := want.Labels[l.key]; l.copied && (!wanted || l.key == api.SourceLabel) {
			stale = append(stale, l.key)
		}
	}
	return stale
}

// lacksLabels reports whether a label of the AWSIAMRole is missing on the Secret or
// has another value.
func (o *observation) lacksLabels(want identity.Desired) bool {
	have := make(map[string]string, len(o.labels)+2)
	for _, l := range o.labels {
		have[l.key] = l.value
	}
	maps.Copy(have, identifyingLabels(want.Source)) // the informer selects by them
	for key, value := range secretLabels(want) {
		if got, has := have[key]; !has || got != value {
			return true
		}
	}
	return false
}

// labelOperations returns the patch that updates the labels of a Secret. Labels
// added by other clients are kept.
func labelOperations(want identity.Desired, have *observation) []operation {
	ops := addAll(have.noLabels, secretLabels(want), "metadata", "labels")
	for _, key := range have.staleLabels(want) {
		ops = append(ops, remove("metadata", "labels", key))
	}
	return ops
}

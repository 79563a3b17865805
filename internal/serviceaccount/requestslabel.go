package serviceaccount

import (
	"context"
	"encoding/json"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// skippedByAdmission reports that the admission policy skips a ServiceAccount, by
// the value of its requests label, although it requests an identity.
func skippedByAdmission(labels, effective map[string]string) bool {
	return labels[api.RequestsLabel] == api.RequestsNone && requestsIdentity(effective)
}

// Skipped reports, from the cache, whether the admission policy skips the pods of a
// ServiceAccount that requests an identity, and returns its UID.
func (s *Source) Skipped(key identity.Key) (uid string, is bool) {
	a := s.cached(key)
	if a == nil || !a.skipped || a.deleting {
		return "", false
	}
	return a.uid, true
}

// Unskip removes the requests label from the ServiceAccount with the given UID. If
// the annotations were removed in the meantime, the policy adds the label again.
func (s *Source) Unskip(ctx context.Context, key identity.Key, uid string) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"uid":    uid,
		"labels": map[string]any{api.RequestsLabel: nil},
	}})
	if err != nil {
		return fmt.Errorf("render label: %w", err)
	}
	_, err = s.client.Resource(Resource).Namespace(key.Namespace).Patch(ctx, key.Name, types.MergePatchType, patch,
		metav1.PatchOptions{FieldManager: api.ControllerName})
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return fmt.Errorf("take the label %s off ServiceAccount %s/%s: %w", api.RequestsLabel, key.Namespace, key.Name, err)
	}
	return nil
}

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

// Report annotates the ServiceAccount with the ARN of the role for which
// credentials were issued, unless the cache shows it already.
func (s *Source) Report(ctx context.Context, want identity.Desired, status identity.Status) error {
	a := s.cached(want.Key)
	if a == nil || a.uid != want.UID || status.RoleARN == "" || a.annotationMap()[api.RoleARNAnnotation] == status.RoleARN {
		return nil
	}
	return s.setRoleARN(ctx, want.Key, want.UID, &status.RoleARN)
}

// ClearRoleARN removes the annotation with the ARN of the role, unless the cache shows
// that it is not there.
func (s *Source) ClearRoleARN(ctx context.Context, key identity.Key) error {
	a := s.cached(key)
	if a == nil || a.annotationMap()[api.RoleARNAnnotation] == "" {
		return nil
	}
	return s.setRoleARN(ctx, key, a.uid, nil)
}

// setRoleARN sets the annotation on the ServiceAccount with the given UID, or
// removes it if arn is nil.
func (s *Source) setRoleARN(ctx context.Context, key identity.Key, uid string, arn *string) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"uid":         uid,
		"annotations": map[string]any{api.RoleARNAnnotation: arn},
	}})
	if err != nil {
		return fmt.Errorf("render annotation: %w", err)
	}
	_, err = s.client.Resource(Resource).Namespace(key.Namespace).Patch(ctx, key.Name, types.MergePatchType, patch,
		metav1.PatchOptions{FieldManager: api.ControllerName})
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return fmt.Errorf("annotate ServiceAccount %s/%s: %w", key.Namespace, key.Name, err)
	}
	return nil
}

// Release reports whether, according to the API server, the ServiceAccount does not
// exist or requests nothing, so that its Secret may be deleted. The role-arn
// annotation of a ServiceAccount that requests nothing is removed.
func (s *Source) Release(ctx context.Context, key identity.Key) (bool, error) {
	meta, err := s.client.Resource(Resource).Namespace(key.Namespace).Get(ctx, key.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return true, nil
	case err != nil:
		return false, fmt.Errorf("read ServiceAccount %s/%s: %w", key.Namespace, key.Name, err)
	case requestsIdentity(s.config.Annotations.effective(meta.Annotations)) && meta.DeletionTimestamp == nil:
		return false, nil
	case meta.DeletionTimestamp != nil:
		return true, nil
	}
	if _, has := meta.Annotations[api.RoleARNAnnotation]; has {
		if err := s.setRoleARN(ctx, key, string(meta.UID), nil); err != nil {
			return false, err
		}
	}
	return true, nil
}

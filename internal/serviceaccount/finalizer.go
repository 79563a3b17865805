package serviceaccount

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"kube-aws-iam-controller/internal/identity"
)

// finalizer keeps a ServiceAccount from being gone before the IAM role that was
// made for it: https://kubernetes.io/docs/concepts/overview/working-with-objects/finalizers/.
const finalizer = identity.Prefix + "role"

// Hold puts the finalizer on the very ServiceAccount that want speaks of. It
// costs nothing where that is known to be there.
func (s *Source) Hold(ctx context.Context, want identity.Desired) error {
	if a := s.cached(want.Key); a != nil && a.held && a.uid == want.UID {
		return nil
	}
	return s.setFinalizers(ctx, want.Key, func(meta *metav1.PartialObjectMetadata) ([]string, error) {
		switch {
		case string(meta.UID) != want.UID:
			return nil, errors.New("it was deleted and created again")
		case meta.DeletionTimestamp != nil:
			return nil, errors.New("it is being deleted")
		case slices.Contains(meta.Finalizers, finalizer):
			return meta.Finalizers, nil
		default:
			return append(meta.Finalizers, finalizer), nil
		}
	})
}

// Held returns the UID of a ServiceAccount, "" if it asks for nothing and is not
// held back, whether a role may have been made for it, and whether that is to be
// kept when nobody asks for it any more.
func (s *Source) Held(key identity.Key) (uid string, held, retain bool) {
	a := s.cached(key)
	if a == nil {
		return "", false, false
	}
	policy, has := a.asked()[deletionPolicyAnnotation]
	return a.uid, a.held, has && policy != "Delete" // what is misspelt does no harm
}

// LetGo takes the finalizer off.
func (s *Source) LetGo(ctx context.Context, key identity.Key) error {
	return s.setFinalizers(ctx, key, func(meta *metav1.PartialObjectMetadata) ([]string, error) {
		return slices.DeleteFunc(slices.Clone(meta.Finalizers), func(f string) bool { return f == finalizer }), nil
	})
}

// setFinalizers writes what next makes of the finalizers as they are now. A
// ServiceAccount that is gone has none.
func (s *Source) setFinalizers(ctx context.Context, key identity.Key, next func(*metav1.PartialObjectMetadata) ([]string, error)) error {
	accounts := s.client.Resource(Resource).Namespace(key.Namespace)
	meta, err := accounts.Get(ctx, key.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read ServiceAccount %s/%s: %w", key.Namespace, key.Name, err)
	}
	finalizers, err := next(meta)
	if err != nil {
		return fmt.Errorf("ServiceAccount %s/%s: %w", key.Namespace, key.Name, err)
	}
	if slices.Equal(finalizers, meta.Finalizers) {
		return nil
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"uid": meta.UID, "resourceVersion": meta.ResourceVersion, "finalizers": finalizers,
	}})
	if err != nil {
		return fmt.Errorf("render finalizers: %w", err)
	}
	_, err = accounts.Patch(ctx, key.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "kube-aws-iam-controller"})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("write the finalizers of ServiceAccount %s/%s: %w", key.Namespace, key.Name, err)
	}
	return nil
}

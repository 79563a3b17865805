package serviceaccount

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// fieldManager is who writes, as the API server records it.
const fieldManager = "kube-aws-iam-controller"

// Hold puts the finalizer on the very ServiceAccount that want speaks of. It
// costs nothing where that is known to be there, and else one call: finalizers
// are a set, of which server-side apply adds a member without reading it first
// (https://kubernetes.io/docs/reference/using-api/server-side-apply/#merge-strategy).
// The API server refuses another ServiceAccount of the name, and one that is
// being deleted.
func (s *Source) Hold(ctx context.Context, want identity.Desired) error {
	if a := s.cached(want.Key); a != nil && a.hasFinalizer && a.uid == want.UID {
		return nil
	}
	body, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "ServiceAccount",
		"metadata": map[string]any{"name": want.Name, "namespace": want.Namespace, "uid": want.UID, "finalizers": []string{api.Finalizer}},
	})
	if err != nil {
		return fmt.Errorf("render finalizer: %w", err)
	}
	_, err = s.client.Resource(Resource).Namespace(want.Namespace).Patch(ctx, want.Name, types.ApplyPatchType, body,
		metav1.PatchOptions{FieldManager: fieldManager, Force: new(true)})
	if err != nil {
		return fmt.Errorf("put the api.Finalizer on ServiceAccount %s/%s: %w", want.Namespace, want.Name, err)
	}
	return nil
}

// Held returns the UID of a ServiceAccount, "" if it asks for nothing and is not
// held back, whether a role may have been made for it, and whether that is to be
// kept when nobody asks for it any more.
func (s *Source) Held(key identity.Key) (uid string, held, retain bool) {
	a := s.cached(key)
	if a == nil {
		return "", false, false
	}
	policy, has := a.annotationMap()[api.DeletionPolicyAnnotation]
	// What is misspelt does no harm.
	return a.uid, a.hasFinalizer, has && policy != "Delete" || a.misspelledDeletionPolicy() != ""
}

// LetGo takes the finalizer off. A ServiceAccount that is gone has none.
func (s *Source) LetGo(ctx context.Context, key identity.Key) error {
	accounts := s.client.Resource(Resource).Namespace(key.Namespace)
	meta, err := accounts.Get(ctx, key.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read ServiceAccount %s/%s: %w", key.Namespace, key.Name, err)
	}
	finalizers := slices.DeleteFunc(slices.Clone(meta.Finalizers), func(f string) bool { return f == api.Finalizer })
	if slices.Equal(finalizers, meta.Finalizers) {
		return nil
	}
	// Whoever put it there, and however: applying a set without it would take
	// off only what was applied.
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"uid": meta.UID, "resourceVersion": meta.ResourceVersion, "finalizers": finalizers,
	}})
	if err != nil {
		return fmt.Errorf("render finalizers: %w", err)
	}
	_, err = accounts.Patch(ctx, key.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: fieldManager})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("take the api.Finalizer off ServiceAccount %s/%s: %w", key.Namespace, key.Name, err)
	}
	return nil
}

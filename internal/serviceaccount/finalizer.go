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

// AddFinalizer adds the finalizer to the ServiceAccount with the UID of want. It makes no
// call if the cache shows the finalizer already, otherwise one: finalizers are a
// set, to which server-side apply adds an element without reading it first
// (https://kubernetes.io/docs/reference/using-api/server-side-apply/#merge-strategy).
// The API server rejects the call if the ServiceAccount was recreated or is being
// deleted.
func (s *Source) AddFinalizer(ctx context.Context, want identity.Desired) error {
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
		metav1.PatchOptions{FieldManager: api.ControllerName, Force: new(true)})
	if err != nil {
		return fmt.Errorf("add the finalizer to ServiceAccount %s/%s: %w", want.Namespace, want.Name, err)
	}
	return nil
}

// Finalizer returns, from the cache, the UID of a ServiceAccount ("" if it is not
// cached), whether it has the finalizer, and whether its managed role is to be
// retained once it is no longer requested.
func (s *Source) Finalizer(key identity.Key) (uid string, held, retain bool) {
	a := s.cached(key)
	if a == nil {
		return "", false, false
	}
	policy, has := a.annotationMap()[api.DeletionPolicyAnnotation]
	// When in doubt the role is retained: an invalid or misspelled policy deletes nothing.
	return a.uid, a.hasFinalizer, has && policy != api.DeletionPolicyDelete || a.misspelled(looksLikeDeletionPolicy) != ""
}

// RemoveFinalizer removes the finalizer. It returns nil if the ServiceAccount is gone.
func (s *Source) RemoveFinalizer(ctx context.Context, key identity.Key) error {
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
	// A merge patch, because applying a set without the finalizer would remove it
	// only if the same field manager had applied it.
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"uid": meta.UID, "resourceVersion": meta.ResourceVersion, "finalizers": finalizers,
	}})
	if err != nil {
		return fmt.Errorf("render finalizers: %w", err)
	}
	_, err = accounts.Patch(ctx, key.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: api.ControllerName})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("remove the finalizer from ServiceAccount %s/%s: %w", key.Namespace, key.Name, err)
	}
	return nil
}

package certificates

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// announce writes a bundle's CAs, and the path with its token, to the
// MutatingWebhookConfiguration.
func (k *Keeper) announce(ctx context.Context, webhooks *admissionregistrationv1.MutatingWebhookConfiguration, bundle *Bundle) error {
	changes, closed := k.changes(webhooks, bundle)
	// Serve the previous path until all webhooks are configured with the new one.
	k.callers.set(bundle.Token, closed && len(changes) == 0)
	if len(changes) == 0 {
		return nil
	}
	patch, err := json.Marshal(map[string]any{"webhooks": changes})
	if err != nil {
		return err
	}
	_, err = k.Webhooks.Patch(ctx, k.Name,
		types.StrategicMergePatchType, patch, metav1.PatchOptions{FieldManager: fieldManager})
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case err != nil:
		return fmt.Errorf("patch the MutatingWebhookConfiguration: %w", err)
	}
	k.callers.set(bundle.Token, closed)
	return nil
}

// changes returns the patches of the webhooks. closed reports whether all webhooks have
// the path with the token once the patches are applied.
func (k *Keeper) changes(webhooks *admissionregistrationv1.MutatingWebhookConfiguration, bundle *Bundle) (changes []any, closed bool) {
	path, known := k.path(bundle.Token)
	secret := k.Path + "/" + bundle.Token
	closed = len(webhooks.Webhooks) > 0
	for i := range webhooks.Webhooks {
		webhook := &webhooks.Webhooks[i]
		patch := map[string]any{}
		_, tokenSet := k.pathPatch(&webhook.ClientConfig, secret)
		if known {
			var current bool
			if patch, current = k.pathPatch(&webhook.ClientConfig, path); patch == nil {
				patch = map[string]any{}
			}
			tokenSet = path == secret && (current || len(patch) > 0)
		}
		closed = closed && tokenSet
		if !bytes.Equal(webhook.ClientConfig.CABundle, bundle.AuthoritiesPEM()) {
			patch["caBundle"] = bundle.AuthoritiesPEM()
		}
		if len(patch) > 0 {
			changes = append(changes, map[string]any{"name": webhook.Name, "clientConfig": patch})
		}
	}
	return changes, closed
}

// trusted reports whether all webhooks are configured with a bundle's CAs.
func trusted(webhooks *admissionregistrationv1.MutatingWebhookConfiguration, bundle *Bundle) bool {
	for i := range webhooks.Webhooks {
		if !bytes.Equal(webhooks.Webhooks[i].ClientConfig.CABundle, bundle.AuthoritiesPEM()) {
			return false
		}
	}
	return true
}

package certificates

import (
	"context"
	"fmt"

	"github.com/go-kit/log/level"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// read returns the Secret and its bundle. Both are nil if the Secret does not exist; the
// bundle is nil if the Secret's data is invalid.
func (k *Keeper) read(ctx context.Context) (*corev1.Secret, *Bundle, error) {
	secret, err := k.Secrets.Get(ctx, k.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read the webhook's Secret: %w", err)
	}
	bundle, err := decode(secret.Data)
	if err != nil {
		level.Warn(k.Logger).Log("msg", "the webhook's Secret is recreated", "err", err)
		return secret, nil, nil
	}
	return secret, bundle, nil
}

// write stores a bundle in the Secret. It fails with a conflict if another replica wrote
// the Secret since it was read.
func (k *Keeper) write(ctx context.Context, secret *corev1.Secret, bundle *Bundle) error {
	data, err := bundle.encode()
	if err != nil {
		return err
	}
	if secret == nil {
		_, err = k.Secrets.Create(ctx, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: k.Name, Labels: map[string]string{
				"app.kubernetes.io/name": "kube-aws-iam-controller", "app.kubernetes.io/component": "webhook",
			}},
			Type: corev1.SecretTypeTLS,
			Data: data,
		}, metav1.CreateOptions{FieldManager: fieldManager})
	} else {
		secret.Data = data
		_, err = k.Secrets.Update(ctx, secret, metav1.UpdateOptions{FieldManager: fieldManager})
	}
	if err != nil {
		return fmt.Errorf("write the webhook's Secret: %w", err)
	}
	return nil
}

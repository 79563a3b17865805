package rights

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"kube-aws-iam-controller/test/kit"
)

// account creates a ServiceAccount with annotations as pairs.
func (w *world) account(ctx context.Context, namespace, name string, annotations ...string) error {
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{}}}
	for pair := range slices.Chunk(annotations, 2) {
		account.Annotations[prefix+pair[0]] = pair[1]
	}
	_, err := w.Client().CoreV1().ServiceAccounts(namespace).Create(ctx, account, metav1.CreateOptions{})
	return err
}

// annotate changes an annotation of a ServiceAccount, nil for none.
func (w *world) annotate(ctx context.Context, account, key string, value any) error {
	_, err := w.Client().CoreV1().ServiceAccounts(w.served).Patch(ctx, account, types.MergePatchType, annotation(key, value), metav1.PatchOptions{})
	return err
}

// rule says which roles the namespace may use.
func (w *world) rule(ctx context.Context, allowed string) error {
	_, err := w.Client().CoreV1().Namespaces().Patch(ctx, w.served, types.MergePatchType, annotation("allowed-roles", allowed), metav1.PatchOptions{})
	return err
}

func annotation(key string, value any) []byte {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]any{prefix + key: value}}})
	if err != nil {
		return nil // strings always marshal
	}
	return patch
}

// holds waits until a Secret holds credentials of one of the roles, any for none.
func (w *world) holds(ctx context.Context, secret string, roles ...string) error {
	return w.holdsIn(ctx, w.served, secret, roles...)
}

func (w *world) holdsIn(ctx context.Context, namespace, secret string, roles ...string) error {
	return kit.Eventually(ctx, within, func(ctx context.Context) error {
		found, err := w.Client().CoreV1().Secrets(namespace).Get(ctx, secret, metav1.GetOptions{})
		if err != nil {
			return err
		}
		arn := string(found.Data["role-arn"])
		if len(roles) > 0 && !slices.ContainsFunc(roles, func(role string) bool { return arn == kit.ARN(kit.AccountID, "", role) }) {
			return fmt.Errorf("the Secret %s is of the role %s", secret, arn)
		}
		return nil
	})
}

// lacks waits until there is no such Secret.
func (w *world) lacks(ctx context.Context, secret string) error {
	return kit.Eventually(ctx, within, func(ctx context.Context) error {
		_, err := w.Client().CoreV1().Secrets(w.served).Get(ctx, secret, metav1.GetOptions{})
		return isGone("the Secret "+secret, err)
	})
}

// isGone returns nil for the answer that there is no such object.
func isGone(what string, err error) error {
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case err == nil:
		return fmt.Errorf("%s is still there", what)
	default:
		return err
	}
}

// rests waits until the controller has had nothing to do for a while.
func (w *world) rests(ctx context.Context) error {
	seen := 0.0
	return kit.Eventually(ctx, within, func(ctx context.Context) error {
		before := seen
		var err error
		if seen, err = w.running.Metric(ctx, `workqueue_adds_total{name="identities"}`); err != nil {
			return err
		}
		time.Sleep(time.Second)
		if seen != before {
			return errors.New("the controller is still at work")
		}
		return nil
	})
}

func (w *world) untilAccount(ctx context.Context, name string, is func(*corev1.ServiceAccount) bool) error {
	return kit.Eventually(ctx, within, func(ctx context.Context) error {
		account, err := w.Client().CoreV1().ServiceAccounts(w.served).Get(ctx, name, metav1.GetOptions{})
		if err == nil && !is(account) {
			err = fmt.Errorf("the ServiceAccount has the annotations %v and finalizers %v", account.Annotations, account.Finalizers)
		}
		return err
	})
}

// told waits until an event on an object was said that often.
func (w *world) told(ctx context.Context, kind, name, reason string, times int32) error {
	selector := fmt.Sprintf("involvedObject.kind=%s,involvedObject.name=%s,reason=%s", kind, name, reason)
	return kit.Eventually(ctx, within, func(ctx context.Context) error {
		list, err := w.Client().CoreV1().Events(w.served).List(ctx, metav1.ListOptions{FieldSelector: selector})
		if err != nil {
			return err
		}
		for i := range list.Items {
			if list.Items[i].Count >= times {
				return nil
			}
		}
		return fmt.Errorf("%d events %s on the %s %s, none of which was said %d times", len(list.Items), reason, kind, name, times)
	})
}

func pod(name, account string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       corev1.PodSpec{ServiceAccountName: account, Containers: []corev1.Container{{Name: "main", Image: "image"}}},
	}
}

package rights

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"kube-aws-iam-controller/test/kit"
)

var awsiamroles = schema.GroupVersionResource{Group: "zalando.org", Version: "v1", Resource: "awsiamroles"}

// resources are the AWSIAMRoles.
func (w *world) resources() (dynamic.ResourceInterface, error) {
	client, err := dynamic.NewForConfig(w.AdminConfig())
	if err != nil {
		return nil, err
	}
	return client.Resource(awsiamroles).Namespace(w.served), nil
}

// asks creates an AWSIAMRole.
func (w *world) asks(ctx context.Context, name, role string) error {
	roles, err := w.resources()
	if err != nil {
		return err
	}
	_, err = roles.Create(ctx, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "zalando.org/v1", "kind": "AWSIAMRole",
		"metadata": map[string]any{"name": name}, "spec": map[string]any{"roleReference": role},
	}}, metav1.CreateOptions{})
	return err
}

func (w *world) servesAWSIAMRoles(ctx context.Context) error {
	if err := w.asks(ctx, "resource", "app"); err != nil {
		return err
	}
	return w.holds(ctx, "resource", "app")
}

// adopts a Secret as the predecessor left it. Its AWSIAMRole is there first, or it would be taken for one that nobody
// asks for, and gets no credentials until then.
func (w *world) adopts(ctx context.Context) error {
	if err := w.asks(ctx, "old", "no-such-role"); err != nil {
		return err
	}
	_, err := w.Client().CoreV1().Secrets(w.served).Create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
		Name: "old", Labels: map[string]string{"heritage": "kube-aws-iam-controller", "type": "awsiamrole"},
	}}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	roles, err := w.resources()
	if err != nil {
		return err
	}
	_, err = roles.Patch(ctx, "old", types.MergePatchType, []byte(`{"spec":{"roleReference":"app"}}`), metav1.PatchOptions{})
	if err != nil {
		return err
	}
	return w.holds(ctx, "old", "app")
}

func (w *world) showsItsStatus(ctx context.Context) error {
	roles, err := w.resources()
	if err != nil {
		return err
	}
	return kit.Eventually(ctx, within, func(ctx context.Context) error {
		role, err := roles.Get(ctx, "resource", metav1.GetOptions{})
		if err != nil {
			return err
		}
		if arn, _, _ := unstructured.NestedString(role.Object, "status", "roleARN"); arn != kit.ARN(kit.AccountID, "", "app") {
			return fmt.Errorf("the status names the role %q", arn)
		}
		return nil
	})
}

func (w *world) givesBackWhatIsDeleted(ctx context.Context) error {
	roles, err := w.resources()
	if err != nil {
		return err
	}
	if err = roles.Delete(ctx, "resource", metav1.DeleteOptions{}); err != nil {
		return err
	}
	return w.lacks(ctx, "resource")
}

package rights

import (
	"context"
	"errors"
	"fmt"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var besideEKS = []step{
	{"it does not run beside the webhook of EKS", "", (*world).doesNotRunBesideEKS},
}

// doesNotRunBesideEKS starts a controller that reads the annotations of IRSA where another webhook does, and waits for its
// end.
func (w *world) doesNotRunBesideEKS(ctx context.Context) error {
	configurations := w.Client().AdmissionregistrationV1().MutatingWebhookConfigurations()
	eks := &admissionregistrationv1.MutatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: "irsa"}, Webhooks: []admissionregistrationv1.MutatingWebhook{{
		Name: "iam-for-pods.amazonaws.com", AdmissionReviewVersions: []string{"v1"}, SideEffects: new(admissionregistrationv1.SideEffectClassNone),
		FailurePolicy: new(admissionregistrationv1.Ignore), ClientConfig: admissionregistrationv1.WebhookClientConfig{URL: new("https://127.0.0.1:1/mutate")},
		NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": "none"}},
	}}}
	if _, err := configurations.Create(ctx, eks, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	w.t.Cleanup(func() { _ = configurations.Delete(context.Background(), eks.Name, metav1.DeleteOptions{}) })
	if err := w.start(ctx, "--irsa-annotations"); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	if code, err := w.running.Wait(ctx); err != nil || code != 1 {
		return errors.Join(err, fmt.Errorf("it ended with %d", code))
	}
	return nil
}

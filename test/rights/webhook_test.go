package rights

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"kube-aws-iam-controller/test/cluster"
	"kube-aws-iam-controller/test/kit"
)

// webhookName is that of the webhook's Secret and configuration.
const webhookName = "kube-aws-iam-controller-webhook"

// configured is held while the MutatingWebhookConfiguration is there: it is in no namespace, and its name is in the
// rights.
var configured sync.Mutex

// mutates starts a controller behind a MutatingWebhookConfiguration as it is shipped, but for where the webhook is, and
// that pods of other namespaces are none of its business.
func (w *world) mutates(ctx context.Context) (err error) {
	if w.webhook, err = cluster.FreePort(ctx); err != nil {
		return err
	}
	if err = w.configure(ctx); err != nil {
		return err
	}
	if _, err = w.aws.Role(kit.AccountID, "", "web", w.served+"/test"); err != nil {
		return err
	}
	return w.start(ctx, "--webhook-listen-address=127.0.0.1:"+strconv.Itoa(w.webhook))
}

func (w *world) configure(ctx context.Context) error {
	objects := w.set.render(w.t)
	for i := range objects {
		if objects[i].GetKind() != "MutatingWebhookConfiguration" {
			continue
		}
		var shipped admissionregistrationv1.MutatingWebhookConfiguration
		decode(w.t, &objects[i], &shipped)
		webhook := &shipped.Webhooks[0]
		webhook.ClientConfig = admissionregistrationv1.WebhookClientConfig{URL: new(fmt.Sprintf("https://localhost:%d/mutate-pods", w.webhook))}
		webhook.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: w.served}}
		configured.Lock()
		configurations := w.Client().AdmissionregistrationV1().MutatingWebhookConfigurations()
		w.t.Cleanup(func() {
			w.stop(context.Background())
			_ = configurations.Delete(context.Background(), webhookName, metav1.DeleteOptions{})
			configured.Unlock()
		})
		_, err := configurations.Create(ctx, &shipped, metav1.CreateOptions{})
		return err
	}
	return errors.New("no MutatingWebhookConfiguration is shipped")
}

// certificate waits for one that is not before's.
func (w *world) certificate(ctx context.Context, before []byte) ([]byte, error) {
	var found []byte
	err := kit.Eventually(ctx, within, func(ctx context.Context) error {
		secret, err := w.Client().CoreV1().Secrets(w.own).Get(ctx, webhookName, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if found = secret.Data[corev1.TLSCertKey]; bytes.Equal(found, before) {
			return errors.New("the certificate is still the one from before")
		}
		return nil
	})
	return found, err
}

func (w *world) hasACertificate(ctx context.Context) error {
	_, err := w.certificate(ctx, nil)
	return err
}

// isTrusted waits until the API server is told of an authority.
func (w *world) isTrusted(ctx context.Context) error { return w.trusted(ctx, nil) }

func (w *world) trusted(ctx context.Context, before []byte) error {
	return kit.Eventually(ctx, within, func(ctx context.Context) error {
		found, err := w.Client().AdmissionregistrationV1().MutatingWebhookConfigurations().Get(ctx, webhookName, metav1.GetOptions{})
		if err == nil && bytes.Equal(found.Webhooks[0].ClientConfig.CABundle, before) {
			err = errors.New("the API server does not know whom to trust")
		}
		return err
	})
}

func (w *world) injects(ctx context.Context) error {
	if err := w.account(ctx, w.served, "web", "role", "web"); err != nil {
		return err
	}
	return kit.Eventually(ctx, within, func(ctx context.Context) error {
		admitted, err := w.Client().CoreV1().Pods(w.served).Create(ctx, pod("web", "web"), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if err == nil && len(admitted.Spec.Containers[0].Env) == 0 {
			err = errors.New("the pod is given nothing")
		}
		return err
	})
}

// makesWayForAVersionBefore has a pod come and go that answers at the path that everybody knows, and at no other.
func (w *world) makesWayForAVersionBefore(ctx context.Context) error {
	if err := w.calledPlainly(ctx, false); err != nil {
		return err
	}
	before := pod("before", "default")
	before.Labels = map[string]string{"app.kubernetes.io/name": kit.Account}
	if _, err := w.Client().CoreV1().Pods(w.own).Create(ctx, before, metav1.CreateOptions{}); err != nil {
		return err
	}
	if err := w.calledPlainly(ctx, true); err != nil {
		return err
	}
	if err := w.Client().CoreV1().Pods(w.own).Delete(ctx, "before", metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))}); err != nil {
		return err
	}
	return w.calledPlainly(ctx, false)
}

// calledPlainly waits until the webhook is called at the path that everybody knows, or is not.
func (w *world) calledPlainly(ctx context.Context, plainly bool) error {
	return kit.Eventually(ctx, within, func(ctx context.Context) error {
		found, err := w.Client().AdmissionregistrationV1().MutatingWebhookConfigurations().Get(ctx, webhookName, metav1.GetOptions{})
		if err == nil && strings.HasSuffix(*found.Webhooks[0].ClientConfig.URL, "/mutate-pods") != plainly {
			err = errors.New("the webhook is called at the other path")
		}
		return err
	})
}

// seesWhoIsTrusted overwrites whom the API server trusts, and does so again: the webhook may be about to look at it for
// another reason.
func (w *world) seesWhoIsTrusted(ctx context.Context) error {
	patch := []byte(`[{"op":"replace","path":"/webhooks/0/clientConfig/caBundle","value":"c29tZWJvZHkgZWxzZQ=="}]`)
	for range 4 {
		_, err := w.Client().AdmissionregistrationV1().MutatingWebhookConfigurations().Patch(ctx, webhookName, types.JSONPatchType, patch, metav1.PatchOptions{})
		if err != nil {
			return err
		}
		if err = w.trusted(ctx, []byte("somebody else")); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) replacesWhatCannotBeRead(ctx context.Context) error {
	const broken = "broken"
	_, err := w.Client().CoreV1().Secrets(w.own).Patch(ctx, webhookName, types.MergePatchType,
		[]byte(`{"stringData":{"tls.crt":"`+broken+`"}}`), metav1.PatchOptions{})
	if err != nil {
		return err
	}
	_, err = w.certificate(ctx, []byte(broken))
	return err
}

func (w *world) makesItAnew(ctx context.Context) error {
	before, err := w.certificate(ctx, nil)
	if err != nil {
		return err
	}
	if err = w.Client().CoreV1().Secrets(w.own).Delete(ctx, webhookName, metav1.DeleteOptions{}); err != nil {
		return err
	}
	_, err = w.certificate(ctx, before)
	return err
}

// isShared waits until another replica serves the same certificate.
func (w *world) isShared(ctx context.Context) error {
	before, err := w.certificate(ctx, nil)
	if err != nil {
		return err
	}
	if err = w.start(ctx, "--webhook-listen-address=127.0.0.1:"+strconv.Itoa(w.webhook)); err != nil {
		return err
	}
	if err = w.isReady(ctx); err != nil {
		return err
	}
	if now, err := w.certificate(ctx, nil); err != nil || !bytes.Equal(before, now) {
		return errors.Join(err, errors.New("another replica made another certificate"))
	}
	return nil
}

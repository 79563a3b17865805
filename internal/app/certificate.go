package app

import (
	"context"
	"crypto/tls"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/cache"

	"kube-aws-iam-controller/internal/admission"
	"kube-aws-iam-controller/internal/certificates"
	"kube-aws-iam-controller/internal/kube"
)

const (
	// outdatedReplicas selects replicas of versions whose webhook answers at
	// admission.Path only.
	outdatedReplicas = "app.kubernetes.io/name=" + name + ",iam.amazonaws.com/webhook-path!=secret"
	// running excludes pods that have terminated, which may exist for days.
	running = "status.phase!=Failed,status.phase!=Succeeded"
)

// certificate is the source of the webhook's certificate.
type certificate interface {
	Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error)
	Ready() error
	Expiration() time.Time
}

// openCertificate reads the certificate from files, or prepares a keeper for it.
func (w *webhook) openCertificate(c *controller, own string) (err error) {
	if c.config.WebhookCertFile != "" {
		w.certificate, err = certificates.OpenFiles(c.config.WebhookCertFile, c.config.WebhookKeyFile, c.logger)
		return err
	}
	if own == "" {
		return errors.New("outside a cluster the webhook needs --webhook-cert-file and --webhook-key-file, or the variable POD_NAMESPACE")
	}
	keeper := certificates.NewKeeper(c.clients.Secrets(own), c.configurations, own, webhookName, admission.Path, c.logger)
	secret, err1 := c.clients.NamedInformer(corev1.SchemeGroupVersion.WithResource("secrets"), own, webhookName)
	configuration, err2 := c.clients.NamedInformer(
		admissionregistrationv1.SchemeGroupVersion.WithResource("mutatingwebhookconfigurations"), "", webhookName)
	outdated, err3 := c.clients.SelectedInformer(corev1.SchemeGroupVersion.WithResource("pods"), own, outdatedReplicas, running)
	if err = errors.Join(err1, err2, err3); err != nil {
		return err
	}
	keeper.Outdated = func() (int, error) { return len(outdated.GetStore().ListKeys()), outdated.Ready() }
	w.certificate, w.keeper = keeper, keeper
	w.keep = func(ctx context.Context) error { return keepCertificate(ctx, keeper, outdated, secret, configuration) }
	return nil
}

// keepCertificate runs the keeper, and the informers that trigger it, until ctx is
// done.
func keepCertificate(ctx context.Context, keeper *certificates.Keeper, outdated *kube.Informer, others ...*kube.Informer) error {
	var group errgroup.Group
	for _, informer := range append(others, outdated) {
		if err := keeper.Watch(informer); err != nil {
			return err
		}
		group.Go(func() error { informer.RunWithContext(ctx); return nil })
	}
	group.Go(func() error { // an informer without objects triggers nothing once it has synced
		if cache.WaitFor(ctx, "outdated replicas", outdated.HasSyncedChecker()) {
			keeper.LookAgain()
		}
		return nil
	})
	keeper.Run(ctx)
	return group.Wait()
}

package app

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/go-kit/log/level"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	"kube-aws-iam-controller/internal/config"
	"kube-aws-iam-controller/internal/ekswebhook"
)

const (
	// eksWebhookRetry is how long to wait until the API server is asked again whether there
	// is the webhook of EKS.
	eksWebhookRetry = 5 * time.Second
	// eksWebhookInterval is how often the leader looks whether it was installed meanwhile.
	eksWebhookInterval = time.Hour
	// eksWebhookPage is how many configurations are read at once: each may have
	// certificates of many kilobytes.
	eksWebhookPage = 50
)

// webhookLister lists MutatingWebhookConfigurations.
type webhookLister interface {
	List(ctx context.Context, opts metav1.ListOptions) (*admissionregistrationv1.MutatingWebhookConfigurationList, error)
}

// besideEKSError says that annotations of IRSA are read beside the webhook of EKS.
type besideEKSError struct {
	// configuration is that of the webhook, "" if the controller's own credentials tell.
	configuration string
}

func (e *besideEKSError) Error() string {
	where := "the controller has its own credentials from EKS"
	if e.configuration != "" {
		where = "MutatingWebhookConfiguration " + e.configuration
	}
	return fmt.Sprintf("--irsa-annotations is on, and the webhook of EKS is in this cluster (%s): "+
		"pods whose ServiceAccount has eks.amazonaws.com/role-arn would get credentials from both, and SDKs prefer those from EKS. "+
		"Turn the flag off, or set --irsa-annotations=force if none of those ServiceAccounts is meant for EKS", where)
}

// irsaServed says whether the webhook of EKS runs in the cluster, which it does if this
// process has credentials that EKS provides:
// https://docs.aws.amazon.com/eks/latest/userguide/pod-configuration.html and
// https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html.
func irsaServed(env func(string) string) bool {
	return strings.HasPrefix(env("AWS_WEB_IDENTITY_TOKEN_FILE"), "/var/run/secrets/eks.amazonaws.com/") ||
		strings.HasPrefix(env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"), "/var/run/secrets/pods.eks.amazonaws.com/")
}

// checkIRSA returns an error if annotations of IRSA are read, without force, beside the
// webhook of EKS. It waits until the API server answers: nothing can be served before
// that. If the controller may not ask, it cannot know, and logs that.
func (c *controller) checkIRSA(ctx context.Context) error {
	if c.config.IRSAAnnotations != config.ReadIRSA {
		return nil
	}
	if irsaServed(os.Getenv) {
		return &besideEKSError{}
	}
	return wait.PollUntilContextCancel(ctx, eksWebhookRetry, true, func(ctx context.Context) (bool, error) {
		found, err := c.findEKSWebhook(ctx)
		switch {
		case found != "":
			return true, &besideEKSError{found}
		case err == nil:
			return true, nil
		case apierrors.IsForbidden(err):
			level.Warn(c.logger).Log("msg", "--irsa-annotations is on, but the controller may not list MutatingWebhookConfigurations "+
				"and cannot tell whether the EKS Pod Identity webhook is installed: "+
				"make sure that it is not, or grant the permission as manifests/components/irsa-annotations does", "err", err)
			return true, nil
		default:
			level.Warn(c.logger).Log("msg", "whether the webhook of EKS is in this cluster cannot be determined yet, trying again", "err", err)
			return false, nil
		}
	})
}

// findEKSWebhook returns the name of a configuration of the webhook of EKS, "" for none.
func (c *controller) findEKSWebhook(ctx context.Context) (string, error) {
	for opts := (metav1.ListOptions{Limit: eksWebhookPage}); ; {
		page, err := c.mutatingWebhooks.List(ctx, opts)
		if err != nil {
			return "", fmt.Errorf("list MutatingWebhookConfigurations: %w", err)
		}
		for i := range page.Items {
			if ekswebhook.Is(&page.Items[i]) {
				return page.Items[i].Name, nil
			}
		}
		if opts.Continue = page.Continue; opts.Continue == "" {
			return "", nil
		}
	}
}

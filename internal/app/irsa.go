package app

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/go-kit/log/level"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	"kube-aws-iam-controller/internal/config"
)

// eksWebhook is the MutatingWebhookConfiguration of the webhook of EKS, in EKS and in the
// manifests of its authors, kOps and OpenShift:
// https://github.com/aws/amazon-eks-pod-identity-webhook/blob/master/deploy/mutatingwebhook.yaml.
const eksWebhook = "pod-identity-webhook"

// eksWebhookRetry is how long to wait until the API server is asked again whether there
// is the webhook of EKS.
const eksWebhookRetry = 5 * time.Second

var errBesideEKSWebhook = errors.New("--irsa-annotations is on, and the webhook of EKS is in this cluster (MutatingWebhookConfiguration " + eksWebhook + "): " +
	"a pod whose ServiceAccount has eks.amazonaws.com/role-arn would be given credentials by both, of which SDKs prefer those of EKS. " +
	"Turn the flag off, or set --irsa-annotations=force if none of those ServiceAccounts is meant for EKS")

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
		return errBesideEKSWebhook
	}
	return wait.PollUntilContextCancel(ctx, eksWebhookRetry, true, func(ctx context.Context) (bool, error) {
		_, err := c.configurations.Get(ctx, eksWebhook, metav1.GetOptions{})
		switch {
		case err == nil:
			return true, errBesideEKSWebhook
		case apierrors.IsNotFound(err):
			return true, nil
		case apierrors.IsForbidden(err):
			level.Warn(c.logger).Log("msg", "--irsa-annotations is on, and whether the webhook of EKS is in this cluster cannot be seen: "+
				"make sure that it is not, or allow the controller to get it as manifests/components/irsa-annotations does", "err", err)
			return true, nil
		default:
			level.Warn(c.logger).Log("msg", "whether the webhook of EKS is in this cluster cannot be determined yet, trying again", "err", err)
			return false, nil
		}
	})
}

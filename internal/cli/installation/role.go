package installation

import (
	"cmp"
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/config"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/setup"
	"kube-aws-iam-controller/internal/sts"
)

// RoleARN returns the ARN of the role that the trust policies of other roles have to name,
// which is the controller's own, as far as the cluster tells: its configuration, web
// identity, IRSA, or a seed. Otherwise it is "", as under EKS Pod Identity, of which only
// AWS knows.
func (c *Controller) RoleARN(ctx context.Context, client kubernetes.Interface, cfg config.Config) (string, error) {
	configured, err := sts.ConfiguredPrincipal(setup.SessionOptions(cfg, ""))
	if configured != "" || err != nil || cfg.AssumeRole != "" {
		return configured, err
	}
	account, err := client.CoreV1().ServiceAccounts(c.Deployment.Namespace).Get(ctx, c.Account(), metav1.GetOptions{})
	if err != nil {
		return "", fmt.Errorf("read the controller's ServiceAccount: %w", err)
	}
	arn := cmp.Or(c.Env["AWS_ROLE_ARN"], account.Annotations[api.IRSAAnnotation])
	if arn == "" && c.Config.CredentialsFile != "" {
		arn = account.Annotations[api.RoleAnnotation]
	}
	role, err := identity.ParseRole(arn)
	if err != nil || !role.Resolved() {
		return "", nil //nolint:nilerr // it is not told
	}
	return role.String(), nil
}

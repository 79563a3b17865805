package app

import (
	"context"
	"fmt"
	"io"

	"kube-aws-iam-controller/internal/awserr"
	"kube-aws-iam-controller/internal/config"
	"kube-aws-iam-controller/internal/setup"
	"kube-aws-iam-controller/internal/sts"
)

// printTrustPolicy prints the trust policy of a role that a namespace, or one of its
// ServiceAccounts, is to use. Doubts about it go to stderr.
func printTrustPolicy(ctx context.Context, cfg config.Config, stdout, stderr io.Writer) error {
	principal, err := trustedPrincipal(ctx, cfg, stderr)
	if err != nil {
		return err
	}
	policy, err := setup.TrustPolicy(cfg, principal, cfg.TrustedNamespace, cfg.TrustedServiceAccount)
	if err != nil {
		return err
	}
	_, err = io.WriteString(stdout, policy)
	return err
}

// trustedPrincipal returns the principal that the policy has to trust. If no flag names
// it, it is the caller's according to AWS, which need not be the controller's.
func trustedPrincipal(ctx context.Context, cfg config.Config, stderr io.Writer) (string, error) {
	told, err := sts.ConfiguredPrincipal(setup.SessionOptions(cfg, ""))
	if err != nil || told != "" {
		return told, err
	}
	assumer, err := setup.NewAssumer(ctx, cfg, "", sts.ConfigOptions{}, nil)
	if err != nil {
		return "", err
	}
	doubt, err := assumer.CallerWarning(ctx)
	if err != nil {
		return "", fmt.Errorf("%w; or give the controller's own role with --controller-role-arn, which needs no credentials", awserr.WithoutRetry(err))
	}
	if doubt != "" {
		fmt.Fprintf(stderr, "warning: %s, which is probably not the controller: the policy trusts the caller of this command. "+
			"Give the controller's own role with --controller-role-arn, or use the controller's credentials\n", doubt)
	}
	return assumer.Principal(ctx)
}

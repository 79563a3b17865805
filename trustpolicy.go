package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"

	"kube-aws-iam-controller/internal/config"
	"kube-aws-iam-controller/internal/trust"
)

// printTrustPolicy prints what the owner of a role has to put into it, so that
// a namespace can use it. It is made with the controller's own credentials,
// because only they tell what the policy has to name.
func printTrustPolicy(ctx context.Context, cfg config.Config, stdout io.Writer) error {
	assumer, err := newAssumer(ctx, cfg, "", nil)
	if err != nil {
		return err
	}
	principal, err := assumer.Principal(ctx)
	if err != nil {
		return err
	}
	policy, err := trust.Policy(principal, trust.ExternalID(cfg.TrustedNamespace, cfg.ClusterName))
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err = json.Indent(&out, []byte(policy), "", "  "); err != nil {
		return err
	}
	out.WriteByte('\n')
	_, err = stdout.Write(out.Bytes())
	return err
}

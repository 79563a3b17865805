package setup

import (
	"bytes"
	"encoding/json"

	"kube-aws-iam-controller/internal/config"
	"kube-aws-iam-controller/internal/sts"
	"kube-aws-iam-controller/internal/trust"
)

// TrustPolicy returns, as indented JSON, the trust policy of a role that a namespace, or
// one ServiceAccount in it unless account is "", is to use. principal is the controller's
// role.
func TrustPolicy(cfg config.Config, principal, namespace, account string) (string, error) {
	sessionName := "" // for the whole namespace
	if account != "" {
		sessionName = sts.ServiceAccountSessionName(namespace, account)
	}
	policy, err := trust.Policy(principal, trust.ExternalID(namespace, cfg.ClusterName), sessionName, passedOn(cfg)...)
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	if err = json.Indent(&out, []byte(policy), "", "  "); err != nil {
		return "", err
	}
	out.WriteByte('\n')
	return out.String(), nil
}

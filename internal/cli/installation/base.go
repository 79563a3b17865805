package installation

import (
	"errors"
	"strings"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/config"
	"kube-aws-iam-controller/internal/identity"
)

// ErrSettings is why values are not known that the configuration of a controller has.
var ErrSettings = errors.New("the configuration of the controller is not known")

var errBase = errors.New("the account of the controller's role is not told by the cluster: it runs with neither --base-role-arn nor --controller-role-arn")

// Base returns the base that completes role names for a ServiceAccount, as far as the
// cluster tells: the flags, the controller's role, "" if it is not known, or else the
// role that the ServiceAccount has, unless its annotations name the account.
func Base(cfg config.Config, principal string, annotations map[string]string) (identity.BaseRole, error) {
	if cfg.BaseRoleARN != "" {
		return identity.ParseBaseRole(cfg.BaseRoleARN)
	}
	candidates := []string{cfg.ControllerRoleARN}
	if cfg.AssumeRole == "" { // otherwise these are of its account
		candidates = append(candidates, principal, issuedInBase(annotations))
	}
	for _, arn := range candidates {
		if role, err := identity.ParseRole(arn); err == nil && role.Resolved() {
			return identity.BaseRole{Partition: role.Partition, Account: role.Account}, nil
		}
	}
	return identity.BaseRole{}, errBase
}

// issuedInBase returns the role that a ServiceAccount has if it is in the base account, ""
// if it has none or that is not certain.
func issuedInBase(annotations map[string]string) string {
	role, existing := annotations[api.RoleAnnotation]
	_, policy := annotations[api.RolePolicyAnnotation]
	_, policies := annotations[api.ManagedPoliciesAnnotation]
	if policy || policies || existing && !strings.HasPrefix(strings.TrimSpace(role), "arn:") {
		return annotations[api.RoleARNAnnotation]
	}
	return ""
}

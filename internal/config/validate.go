package config

import (
	"errors"
	"fmt"
	"time"

	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/trust"
)

// Generous limits, which catch values with too many or too few zeros.
const (
	maxWorkers      = 1000
	maxQPS          = 100_000
	minRefreshLimit = time.Second

	maxInterval = 30 * 24 * time.Hour

	// maxRoles is the highest quota that AWS grants to an account.
	maxRoles = 10_000
)

// Validate returns all errors in c. Each names the flag and the value, and says what to
// give.
func (c *Config) Validate() error {
	return errors.Join(c.validateCluster(), c.validateRoles(), c.validateProcess(), c.validatePods())
}

func (c *Config) validateCluster() error {
	return errors.Join(
		flagError("cluster-name", trust.CheckClusterName(c.ClusterName)),
		flagError("namespace", optional(c.Namespace, checkNamespace)),
		flagError("leader-elect-namespace", optional(c.LeaderElectNamespace, checkNamespace)),
		flagError("leader-elect-name", checkLease(c.LeaderElectName)),
		wrap("the argument of trust-policy", optional(c.TrustedNamespace, checkNamespace)),
		wrap("the second argument of trust-policy", optional(c.TrustedServiceAccount, checkAccount)),
		flagError("apiserver", checkURL(c.APIServer)),
	)
}

func (c *Config) validateRoles() error {
	return errors.Join(
		flagError("base-role-arn", optional(c.BaseRoleARN, checkBase)),
		flagError("assume-role", optional(c.AssumeRole, checkRole)),
		flagError("controller-role-arn", optional(c.ControllerRoleARN, checkRoleARN)),
		flagError("permissions-boundary", optional(c.PermissionsBoundary, checkPolicyARN)),
		flagError("role-path", optional(c.RolePath, checkPath)),
		flagError("role-tags", checkTags(c.RoleTags)),
		flagError("max-roles-per-namespace", between(c.MaxRolesPerNamespace, 0, maxRoles)),
		flagError("adopt-roles-of-cluster-uid", optional(c.AdoptRolesOfClusterUID, checkUID)),
		flagError("drift-interval", between(c.DriftInterval, 0, maxInterval)),
		flagError("orphan-sweep-interval", between(c.OrphanSweepInterval, 0, maxInterval)),
		flagError("role-ready-timeout", between(c.RoleReadyTimeout, 0, time.Hour)),
	)
}

func (c *Config) validateProcess() error {
	return errors.Join(
		flagError("iam-qps", checkRate(c.IAMQPS)),
		flagError("sts-qps", checkRate(c.STSQPS)),
		flagError("kube-api-qps", checkRate(c.KubeAPIQPS)),
		flagError("refresh-limit", between(c.RefreshLimit, minRefreshLimit, identity.MaxSession)),
		flagError("workers", between(c.Workers, 1, maxWorkers)),
		flagError("listen-address", checkAddress(c.ListenAddress)),
		flagError("metrics-secure-listen-address", optional(c.MetricsSecureListenAddress, checkAddress)),
		flagError("metrics-cert-file", together(c.MetricsCertFile, c.MetricsKeyFile, "metrics-key-file")),
	)
}

func (c *Config) validatePods() error {
	return errors.Join(
		flagError("webhook-listen-address", optional(c.WebhookListenAddress, checkAddress)),
		flagError("webhook-cert-file", together(c.WebhookCertFile, c.WebhookKeyFile, "webhook-key-file")),
		flagError("webhook-client-names", checkClientNames(c)),
		flagError("default-region", optional(c.DefaultRegion, checkRegion)),
		flagError("credentials-server-image-pull-policy", optional(string(c.SidecarPullPolicy), checkPullPolicy)),
		flagError("credentials-server-limits", checkSidecarLimits(c)),
	)
}

func flagError(flag string, err error) error {
	return wrap("--"+flag+" ("+envName(flag)+")", err)
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

func optional(value string, check func(string) error) error {
	if value == "" {
		return nil
	}
	return check(value)
}

func checkBase(value string) error {
	_, err := identity.ParseBaseRole(value)
	return err
}

func checkRole(value string) error {
	_, err := identity.ParseRole(value)
	return err
}

func checkRoleARN(value string) error {
	role, err := identity.ParseRole(value)
	if err == nil && !role.Resolved() {
		return fmt.Errorf("%s is not an ARN: expected arn:<partition>:iam::<account>:role/<name>", identity.Quote(value))
	}
	return err
}

// together checks that two settings are given both or neither.
func together(value, other, name string) error {
	if (value == "") == (other == "") {
		return nil
	}
	return fmt.Errorf("must be set together with --%s", name)
}

func checkClientNames(c *Config) error {
	if len(c.WebhookClientNames) > 0 && c.WebhookClientCAFile == "" {
		return errors.New("has no effect without --webhook-client-ca-file: set that as well, or remove this")
	}
	return nil
}

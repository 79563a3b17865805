package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"

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
		return fmt.Errorf("%s is not an ARN: give arn:<partition>:iam::<account>:role/<name>", identity.Quote(value))
	}
	return err
}

func checkNamespace(value string) error {
	if len(validation.IsDNS1123Label(value)) > 0 {
		return fmt.Errorf("%s is not a namespace: give 1 to 63 lower-case letters, digits and -, the first and last not -", identity.Quote(value))
	}
	return nil
}

func checkAccount(value string) error {
	if len(validation.IsDNS1123Subdomain(value)) > 0 {
		return fmt.Errorf("%s is not the name of a ServiceAccount or AWSIAMRole: give 1 to 253 lower-case letters, digits, - and ., the first and last a letter or digit", identity.Quote(value))
	}
	return nil
}

func checkLease(value string) error {
	if len(validation.IsDNS1123Subdomain(value)) > 0 {
		return fmt.Errorf("%s is not the name of a Lease: give 1 to 253 lower-case letters, digits, - and ., the first and last a letter or digit", identity.Quote(value))
	}
	return nil
}

func checkURL(value string) error {
	if value == "" {
		return nil
	}
	if strings.Contains(value, "@") { // the value is not repeated: it may contain a password
		return errors.New("the URL has an @ in it: give http://host:port or https://host:port, without user and password")
	}
	u, err := url.Parse(value)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return fmt.Errorf("%s is not a URL: give http://host:port or https://host:port", identity.Quote(value))
	}
	return nil
}

func checkRegion(value string) error {
	region, err := identity.ParseRegion(value)
	if err == nil && region != value {
		return fmt.Errorf("%s has white space around it: remove that", identity.Quote(value))
	}
	return err
}

// together checks that two settings are given both or neither.
func together(value, other, name string) error {
	if (value == "") == (other == "") {
		return nil
	}
	return fmt.Errorf("is of no use without --%s: give both or neither", name)
}

func checkClientNames(c *Config) error {
	if len(c.WebhookClientNames) > 0 && c.WebhookClientCAFile == "" {
		return errors.New("is of no use without --webhook-client-ca-file: give both or neither")
	}
	return nil
}

func checkAddress(value string) error {
	// Without a port the kernel would choose one, which is unknown to probes.
	if _, port, err := net.SplitHostPort(value); err != nil || port == "" {
		return fmt.Errorf("%s is not an address: give host:port or :port", identity.Quote(value))
	}
	return nil
}

func checkRate(value float64) error {
	if value > 0 && value <= maxQPS { // false for NaN, too
		return nil
	}
	return fmt.Errorf("%v is out of bounds: give more than 0 and at most %d", value, maxQPS)
}

func between[T int | time.Duration](value, low, high T) error {
	if value < low || value > high {
		return fmt.Errorf("%v is out of bounds: give %v to %v", value, low, high)
	}
	return nil
}

// Package config parses flags and environment variables into one validated struct.
package config

import (
	"time"

	corev1 "k8s.io/api/core/v1"

	"kube-aws-iam-controller/internal/identity"
)

// A Command is a command of the command line.
type Command string

// The commands.
const (
	Controller Command = "controller"
	Version    Command = "version"
	// TrustPolicy prints the trust policy of a role for a namespace.
	TrustPolicy Command = "trust-policy"
)

// Config is the configuration of the controller.
type Config struct {
	Debug     bool
	LogFormat string

	// Kubeconfig and APIServer locate the API server, see package kube. Namespace is the
	// one namespace that is served, "" for all.
	Kubeconfig, APIServer, Namespace string
	KubeAPIQPS                       float64

	// ClusterName is the second half of every external ID.
	ClusterName string
	// BaseRoleARN is the prefix of the ARNs of roles given by name, "" for the account
	// of the controller.
	BaseRoleARN string
	// AssumeRole is a role that is assumed first, and assumes all others.
	AssumeRole string
	// ControllerRoleARN is the controller's own role, if AWS does not report it.
	ControllerRoleARN string
	// CredentialsFile is a file with the controller's own credentials.
	CredentialsFile string
	SessionTags     bool
	// AllowSourceIdentity lets roles accept the source identity of the controller's own
	// session.
	AllowSourceIdentity bool
	// NamespaceRestrictions denies all roles to a namespace without rules.
	NamespaceRestrictions bool
	// RequireExternalID says which roles are used only if they refuse a wrong external
	// ID.
	RequireExternalID identity.ExternalIDCheck
	// IRSAAnnotations says whether ServiceAccounts may request a role as they do for the
	// webhook of EKS.
	IRSAAnnotations IRSAAnnotations
	STSQPS          float64

	// PermissionsBoundary is the ARN of the permissions boundary of managed roles.
	// Without one there are none, unless AllowRolesWithoutBoundary is set.
	PermissionsBoundary       string
	AllowRolesWithoutBoundary bool
	// RolePath is the path of managed roles, "" for the default of the cluster.
	RolePath string
	// RoleTags are additional tags of managed roles.
	RoleTags map[string]string
	// MaxRolesPerNamespace limits the managed roles of a namespace, 0 for no limit.
	MaxRolesPerNamespace int
	// AdoptRolesOfClusterUID is the UID of the cluster that this one replaces, ""
	// for none.
	AdoptRolesOfClusterUID string
	// DriftInterval is how often managed roles are checked for drift, 0 for never.
	DriftInterval time.Duration
	// OrphanSweepInterval is how often orphaned managed roles are searched for, 0 for
	// never.
	OrphanSweepInterval time.Duration
	// RoleReadyTimeout is how long a new role may take until it can be assumed.
	RoleReadyTimeout time.Duration
	// ValidatePolicies has IAM Access Analyzer look at the policies of managed roles, and
	// compares them with the permissions boundary.
	ValidatePolicies bool
	IAMQPS           float64

	// RefreshLimit is how long before their expiration credentials are renewed.
	RefreshLimit time.Duration
	Workers      int

	// WebhookListenAddress is the address of the webhook, "" to disable it.
	WebhookListenAddress string
	// WebhookCertFile and WebhookKeyFile are the webhook's certificate. Without them the
	// controller issues one itself.
	WebhookCertFile, WebhookKeyFile string
	// WebhookClientCAFile are the CAs of the API servers' client certificates, "" if none
	// are required. WebhookClientNames are the accepted common names, empty for all.
	WebhookClientCAFile string
	WebhookClientNames  []string
	// DefaultRegion is the AWS Region of pods whose ServiceAccount names none, and the value
	// of $(region) in its annotations.
	DefaultRegion string
	// SidecarImage is the image of the sidecar for the delivery endpoint.
	SidecarImage string
	// SidecarPullPolicy is the pull policy of the image, "" for the API server's default.
	// Requests, limits and security context are adapted to the pod.
	SidecarPullPolicy              corev1.PullPolicy
	SidecarRequests, SidecarLimits corev1.ResourceList
	SidecarSecurityContext         corev1.SecurityContext

	ListenAddress string
	// MetricsSecureListenAddress is where metrics are served over HTTPS to authorized
	// clients, and nowhere else; "" to serve them without authorization.
	MetricsSecureListenAddress string
	// MetricsCertFile and MetricsKeyFile are the certificate of that address. Without
	// them it is self-signed.
	MetricsCertFile, MetricsKeyFile string
	// InsecureIdentityMetrics serves the metrics that name identities at ListenAddress,
	// without authorization.
	InsecureIdentityMetrics bool

	LeaderElect          bool
	LeaderElectNamespace string
	LeaderElectName      string

	// TrustedNamespace and TrustedServiceAccount are the arguments of the command
	// trust-policy. TrustedServiceAccount is "" for all in the namespace.
	TrustedNamespace, TrustedServiceAccount string

	// version is the flag --version, the same as the command.
	version bool

	// Interval and EventQueueSize are flags of the predecessor that have no effect.
	Interval       time.Duration
	EventQueueSize int
}

// IdentityMetrics reports whether the metrics that name identities are served: to
// authorized clients, or to everybody if that is configured. Whoever can reach the
// controller's port is not told which namespaces and ServiceAccounts there are.
func (c *Config) IdentityMetrics() bool {
	return c.MetricsSecureListenAddress != "" || c.InsecureIdentityMetrics
}

// Package config reads flags and environment variables into one validated
// struct.
package config

import (
	"time"

	corev1 "k8s.io/api/core/v1"

	"kube-aws-iam-controller/internal/identity"
)

// A Command is what the process is asked to do.
type Command string

// The commands.
const (
	Controller Command = "controller"
	Version    Command = "version"
	// TrustPolicy prints what the owner of a role has to put into it.
	TrustPolicy Command = "trust-policy"
)

// Config is what the controller is told.
type Config struct {
	Debug     bool
	LogFormat string

	// Kubeconfig and APIServer say where the API server is, see the package
	// kube. Namespace limits the controller to one, "" is all.
	Kubeconfig, APIServer, Namespace string
	KubeAPIQPS                       float64

	// ClusterName is the second half of every external ID.
	ClusterName string
	// BaseRoleARN is where role names are looked up, "" for the account that
	// the controller runs in.
	BaseRoleARN string
	// AssumeRole is assumed first, and with it all others.
	AssumeRole string
	// ControllerRoleARN is the controller's own role where AWS does not tell.
	ControllerRoleARN string
	// CredentialsFile holds the controller's own credentials.
	CredentialsFile string
	SessionTags     bool
	// NamespaceRestrictions lets a namespace without rules use no role.
	NamespaceRestrictions bool
	// RequireExternalID says which roles are used only if they refuse another external
	// ID.
	RequireExternalID identity.ExternalIDCheck
	STSQPS            float64

	// PermissionsBoundary is the ARN of that of roles that are made. Without
	// one none are, unless AllowRolesWithoutBoundary says so.
	PermissionsBoundary       string
	AllowRolesWithoutBoundary bool
	// RolePath is where they are, "" for the path of the cluster.
	RolePath string
	// RoleTags are put on them.
	RoleTags map[string]string
	// MaxRolesPerNamespace is how many are made for one namespace, 0 for any
	// number.
	MaxRolesPerNamespace int
	// AdoptRolesOfClusterUID is the UID of the cluster that this one replaces, ""
	// for none.
	AdoptRolesOfClusterUID string
	// DriftInterval is how often they are looked at, 0 for never.
	DriftInterval time.Duration
	// OrphanSweepInterval is how often roles are looked for that nobody asks
	// for any more, 0 for never.
	OrphanSweepInterval time.Duration
	// RoleReadyTimeout is how long a new role may take to be assumable.
	RoleReadyTimeout time.Duration
	IAMQPS           float64

	// RefreshLimit is how long before they run out credentials are renewed.
	RefreshLimit time.Duration
	Workers      int

	// WebhookListenAddress is where pods are mutated, "" for nowhere.
	WebhookListenAddress string
	// WebhookCertFile and WebhookKeyFile are kept by something else; without
	// them the controller keeps a certificate of its own.
	WebhookCertFile, WebhookKeyFile string
	// WebhookClientCAFile says who signs certificates of API servers, "" if they
	// need none; WebhookClientNames whose are accepted, all if there are no names.
	WebhookClientCAFile string
	WebhookClientNames  []string
	// DefaultRegion is the AWS Region of pods whose ServiceAccount names none.
	DefaultRegion string
	// SidecarImage holds credentials-server, for the delivery endpoint.
	SidecarImage string
	// SidecarPullPolicy is that of the image, "" for the API server's choice;
	// the rest is the sidecar's as far as it fits the pod.
	SidecarPullPolicy              corev1.PullPolicy
	SidecarRequests, SidecarLimits corev1.ResourceList
	SidecarSecurityContext         corev1.SecurityContext

	ListenAddress string
	// MetricsSecureListenAddress is where metrics are served over HTTPS, and only
	// there, to those who may read them; "" for no such condition.
	MetricsSecureListenAddress string
	// MetricsCertFile and MetricsKeyFile are kept by something else; without them the
	// certificate is nobody's.
	MetricsCertFile, MetricsKeyFile string

	LeaderElect          bool
	LeaderElectNamespace string
	LeaderElectName      string

	// TrustedNamespace and TrustedServiceAccount, "" for all of the namespace's, are
	// the arguments of the command trust-policy.
	TrustedNamespace, TrustedServiceAccount string

	// version is another way to ask for the command.
	version bool

	// Interval and EventQueueSize are the predecessor's, without effect.
	Interval       time.Duration
	EventQueueSize int
}

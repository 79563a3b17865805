package app

import (
	"context"
	"iter"
	"os"
	"strings"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"

	"kube-aws-iam-controller/internal/config"
	"kube-aws-iam-controller/internal/iamprovision"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/sts"
)

// newAssumer prepares the controller's own credentials and what it does with
// them.
func newAssumer(ctx context.Context, cfg config.Config, own string, options sts.ConfigOptions) (*sts.Assumer, error) {
	options.CredentialsFile = cfg.CredentialsFile
	aws, err := sts.LoadConfig(ctx, options)
	if err != nil {
		return nil, err
	}
	return sts.New(aws, sessionOptions(cfg, own))
}

// sessionOptions says on whose behalf roles are assumed.
func sessionOptions(cfg config.Config, own string) sts.Options {
	return sts.Options{
		BaseRoleARN:         cfg.BaseRoleARN,
		AssumeRole:          cfg.AssumeRole,
		ControllerRoleARN:   cfg.ControllerRoleARN,
		ControllerNamespace: own,
		ClusterName:         cfg.ClusterName,
		SessionTags:         cfg.SessionTags,
		QPS:                 cfg.STSQPS,
	}
}

// newProvisioner prepares what makes roles, whether or not it is to make any.
func (c *controller) newProvisioner(assumer *sts.Assumer) *iamprovision.Provisioner {
	uid := clusterUID{client: c.clients.Metadata, reviews: c.clients.Core.AuthorizationV1().SelfSubjectAccessReviews(), logger: c.logger}
	return iamprovision.New(assumer.Config(), iamprovision.Options{
		ClusterName:          c.config.ClusterName,
		Path:                 c.config.RolePath,
		Boundary:             c.config.PermissionsBoundary,
		AllowWithoutBoundary: c.config.AllowRolesWithoutBoundary,
		Tags:                 c.config.RoleTags,
		QPS:                  c.config.IAMQPS,
		MaxPerNamespace:      c.config.MaxRolesPerNamespace,
		ClusterUID:           uid.get,
		AdoptUID:             c.config.AdoptRolesOfClusterUID,
		Owners:               func() iter.Seq[identity.Key] { return c.accounts.Owners() },
		Logger:               c.logger,
		Principal:            assumer.Principal,
		Account:              assumer.Account,
		SessionName:          sts.ServiceAccountSessionName,
		TransitiveTags:       assumer.TransitiveTags,
	})
}

// warnOfTags says what the controller's own credentials can do to roles.
func warnOfTags(logger log.Logger, assumer *sts.Assumer) {
	if caution := assumer.PodIdentityWarning(); caution != "" {
		level.Warn(logger).Log("msg", caution)
	}
}

// warnOfNoNamespace says what follows from not knowing the own namespace.
func warnOfNoNamespace(logger log.Logger, own string) {
	if own == "" {
		level.Warn(logger).Log("msg", "the controller's own namespace is not known, so nobody gets its own roles, "+
			"and credentials of them that exist are not renewed: set POD_NAMESPACE if the controller runs on such credentials")
	}
}

// irsaServed says whether the webhook of EKS is in the cluster, by where this
// process has its own credentials from:
// https://docs.aws.amazon.com/eks/latest/userguide/pod-configuration.html and
// https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html.
func irsaServed(env func(string) string) bool {
	return strings.HasPrefix(env("AWS_WEB_IDENTITY_TOKEN_FILE"), "/var/run/secrets/eks.amazonaws.com/") ||
		strings.HasPrefix(env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"), "/var/run/secrets/pods.eks.amazonaws.com/")
}

// ownNamespace returns the namespace of the Pod that the process runs in, ""
// outside a cluster. Nothing else tells: the namespace of a kubeconfig is where
// somebody works, that of the Lease where there is room for one, and whoever may
// write objects there would be given the controller's own roles.
func ownNamespace() string {
	if namespace := os.Getenv("POD_NAMESPACE"); namespace != "" {
		return namespace
	}
	namespace, err := os.ReadFile("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(namespace))
}

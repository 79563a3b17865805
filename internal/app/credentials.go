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
	"kube-aws-iam-controller/internal/trust"
)

// newAssumer loads the controller's own credentials, and returns what assumes roles
// with them.
func newAssumer(ctx context.Context, cfg config.Config, own string, options sts.ConfigOptions, credentialsFailed func()) (*sts.Assumer, error) {
	options.CredentialsFile = cfg.CredentialsFile
	aws, err := sts.LoadConfig(ctx, options)
	if err != nil {
		return nil, err
	}
	sessions := sessionOptions(cfg, own)
	sessions.CredentialsFailed = credentialsFailed
	return sts.New(aws, sessions)
}

// sessionOptions returns the options of assuming roles.
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

// newProvisioner returns what manages roles, even if the configuration allows none.
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
		PassedOn:             passedOn(c.config),
		SessionName:          sts.ServiceAccountSessionName,
		TransitiveTags:       assumer.TransitiveTags,
	})
}

// passedOn returns what trust policies have to allow beside sts:TagSession.
func passedOn(cfg config.Config) []string {
	if cfg.AllowSourceIdentity {
		return []string{trust.SourceIdentity}
	}
	return nil
}

// warnOfTags logs what the controller's own credentials cannot do with session tags.
func warnOfTags(logger log.Logger, assumer *sts.Assumer) {
	if caution := assumer.PodIdentityWarning(); caution != "" {
		level.Warn(logger).Log("msg", caution)
	}
}

// warnOfNoNamespace logs the consequences of not knowing the controller's namespace.
func warnOfNoNamespace(logger log.Logger, own string) {
	if own == "" {
		level.Warn(logger).Log("msg", "the controller's own namespace is not known, so nobody gets its own roles, "+
			"and credentials of them that exist are not renewed: set POD_NAMESPACE if the controller runs on such credentials")
	}
}

// ownNamespace returns the namespace of the Pod that the process runs in, "" outside a
// cluster. The namespaces of a kubeconfig and of the Lease are no substitute: they may
// be any, and whoever may write objects in the controller's namespace can be given the
// controller's own roles.
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

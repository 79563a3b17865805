package setup

import (
	"iter"

	"github.com/go-kit/log"

	"kube-aws-iam-controller/internal/config"
	"kube-aws-iam-controller/internal/iamprovision"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/kube"
	"kube-aws-iam-controller/internal/sts"
)

// NewProvisioner returns what manages roles, even if the configuration allows none. owners
// yields the ServiceAccounts that have or request a managed role.
func NewProvisioner(
	cfg config.Config, clients *kube.Clients, assumer *sts.Assumer, owners func() iter.Seq[identity.Key], logger log.Logger,
) *iamprovision.Provisioner {
	uid := clusterUID{client: clients.Metadata, reviews: clients.SelfSubjectAccessReviews(), logger: logger}
	return iamprovision.New(assumer.IAMConfig(), iamprovision.Options{
		ClusterName:          cfg.ClusterName,
		Path:                 cfg.RolePath,
		Boundary:             cfg.PermissionsBoundary,
		AllowWithoutBoundary: cfg.AllowRolesWithoutBoundary,
		Tags:                 cfg.RoleTags,
		QPS:                  cfg.IAMQPS,
		MaxPerNamespace:      cfg.MaxRolesPerNamespace,
		ClusterUID:           uid.get,
		AdoptUID:             cfg.AdoptRolesOfClusterUID,
		Owners:               owners,
		Logger:               logger,
		Principal:            assumer.Principal,
		Account:              assumer.Account,
		PassedOn:             passedOn(cfg),
		SessionName:          sts.ServiceAccountSessionName,
		TransitiveTags:       assumer.TransitiveTags,
	})
}

// Package setup makes what the controller and the commands of the kubectl plugin have in
// common from one configuration: who assumes roles, who manages them, the sources, and the
// store of Secrets.
package setup

import (
	"context"

	"kube-aws-iam-controller/internal/config"
	"kube-aws-iam-controller/internal/sts"
	"kube-aws-iam-controller/internal/trust"
)

// NewAssumer loads AWS credentials, and returns what assumes roles with them. own is the
// controller's namespace, "" if it is not known. credentialsFailed may be nil.
func NewAssumer(ctx context.Context, cfg config.Config, own string, options sts.ConfigOptions, credentialsFailed func()) (*sts.Assumer, error) {
	options.CredentialsFile = cfg.CredentialsFile
	aws, err := sts.LoadConfig(ctx, options)
	if err != nil {
		return nil, err
	}
	sessions := SessionOptions(cfg, own)
	sessions.CredentialsFailed = credentialsFailed
	return sts.New(aws, sessions)
}

// SessionOptions returns the options of assuming roles.
func SessionOptions(cfg config.Config, own string) sts.Options {
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

// passedOn returns what trust policies have to allow beside sts:TagSession.
func passedOn(cfg config.Config) []string {
	if cfg.AllowSourceIdentity {
		return []string{trust.SourceIdentity}
	}
	return nil
}

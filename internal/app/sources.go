package app

import (
	"context"
	"iter"
	"os"

	"kube-aws-iam-controller/internal/broker"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/setup"
)

// openSources makes the sources, with the informers that they read.
func (c *controller) openSources(base func(context.Context) (identity.BaseRole, error)) (
	map[identity.Source]broker.Source, []func() iter.Seq[identity.Key], error,
) {
	opened, err := setup.OpenSources(c.config, c.clients, irsaServed(os.Getenv), base)
	if err != nil {
		return nil, nil, err
	}
	c.accounts, c.store = opened.Accounts, opened.Store
	accounts, roles := opened.Informers[identity.ServiceAccount], opened.Informers[identity.AWSIAMRole]
	c.sources = []source{
		{identity.ServiceAccount, accounts.Objects, accounts.Secrets, opened.Accounts.Watch},
		{identity.AWSIAMRole, roles.Objects, roles.Secrets, opened.Roles.Watch},
	}
	return map[identity.Source]broker.Source{identity.ServiceAccount: opened.Accounts, identity.AWSIAMRole: opened.Roles},
		[]func() iter.Seq[identity.Key]{opened.Accounts.Keys, opened.Roles.Keys}, nil
}

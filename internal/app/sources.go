package app

import (
	"context"
	"errors"
	"iter"
	"maps"
	"os"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/cache"

	"kube-aws-iam-controller/internal/awsiamrole"
	"kube-aws-iam-controller/internal/broker"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/kube"
	"kube-aws-iam-controller/internal/secrets"
	"kube-aws-iam-controller/internal/serviceaccount"
	"kube-aws-iam-controller/internal/trust"
)

// openSources makes the sources, with the informers that they read.
func (c *controller) openSources() (map[identity.Source]broker.Source, []func() iter.Seq[identity.Key], error) {
	namespace := c.config.Namespace
	accounts, err1 := c.clients.MetadataInformer(serviceaccount.Resource, namespace, "", c.annotations().Transform)
	roles, err2 := c.clients.RoleInformer(namespace)
	credentials := map[identity.Source]*kube.Informer{}
	var err3, err4 error
	credentials[identity.ServiceAccount], err3 = c.secretInformer(identity.ServiceAccount)
	credentials[identity.AWSIAMRole], err4 = c.secretInformer(identity.AWSIAMRole)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return nil, nil, err
	}

	externalID := func(namespace string) string { return trust.ExternalID(namespace, c.config.ClusterName) }
	fromAccounts := c.newAccounts(accounts, externalID)
	c.accounts = fromAccounts
	fromRoles := awsiamrole.NewSource(c.clients.Roles, roles, externalID)
	c.sources = []source{
		{identity.ServiceAccount, accounts, credentials[identity.ServiceAccount], fromAccounts.Watch},
		{identity.AWSIAMRole, roles, credentials[identity.AWSIAMRole], fromRoles.Watch},
	}
	informers := map[identity.Source]cache.SharedIndexInformer{}
	for _, s := range slices.Sorted(maps.Keys(credentials)) {
		informers[s] = credentials[s]
	}
	c.store = secrets.NewStore(c.clients.Core.CoreV1(), informers)
	return map[identity.Source]broker.Source{identity.ServiceAccount: fromAccounts, identity.AWSIAMRole: fromRoles},
		[]func() iter.Seq[identity.Key]{fromAccounts.Keys, fromRoles.Keys}, nil
}

func (c *controller) newAccounts(informer *kube.Informer, externalID func(namespace string) string) *serviceaccount.Source {
	return serviceaccount.NewSource(c.clients.Metadata, informer, serviceaccount.Config{
		ExternalID: externalID,
		SecretName: func(account string) string { return secrets.Name(identity.ServiceAccount, account) },
		MaxName:    secrets.MaxServiceAccountName,
		IRSAServed: irsaServed(os.Getenv),
		Lookup:     c.clients.Lookup,

		Annotations:     c.annotations(),
		LookupUntrusted: c.clients.LookupUntrusted,
	})
}

// annotations says which annotations of ServiceAccounts are read.
func (c *controller) annotations() serviceaccount.Annotations {
	return serviceaccount.Annotations{IRSA: c.config.IRSAAnnotations.Read()}
}

func (c *controller) secretInformer(s identity.Source) (*kube.Informer, error) {
	return c.clients.MetadataInformer(corev1.SchemeGroupVersion.WithResource("secrets"), c.config.Namespace,
		secrets.Selector(s), secrets.Transform(s))
}

// cacheTimeout is how long the objects of a command may take to arrive.
const cacheTimeout = 30 * time.Second

// fillCaches runs the informers of a source until ctx is done, for a command that needs
// no controller, and returns whether both caches were filled in time.
func (c *controller) fillCaches(ctx context.Context, name identity.Source) bool {
	timeout, cancel := context.WithTimeout(ctx, cacheTimeout)
	defer cancel()
	for _, s := range c.sources {
		if s.name != name {
			continue
		}
		for _, informer := range []*kube.Informer{s.objects, s.secrets} {
			go informer.RunWithContext(ctx)
			if !informer.AwaitSettled(timeout) || informer.Refused() {
				return false
			}
		}
	}
	return true
}

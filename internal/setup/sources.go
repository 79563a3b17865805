package setup

import (
	"context"
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/cache"

	"kube-aws-iam-controller/internal/awsiamrole"
	"kube-aws-iam-controller/internal/config"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/kube"
	"kube-aws-iam-controller/internal/secrets"
	"kube-aws-iam-controller/internal/serviceaccount"
	"kube-aws-iam-controller/internal/trust"
)

// Informers are those of one kind of object, and of the Secrets for its objects.
type Informers struct {
	Objects, Secrets *kube.Informer
}

// Sources are the objects that request identities, and the Secrets for them.
type Sources struct {
	Accounts  *serviceaccount.Source
	Roles     *awsiamrole.Source
	Store     *secrets.Store
	Informers map[identity.Source]Informers
}

// OpenSources makes the sources of the namespace in cfg, "" for all, with their informers,
// which do not run yet. irsaServed reports that the webhook of EKS runs in the cluster;
// base returns the base that completes role names.
func OpenSources(
	cfg config.Config, clients *kube.Clients, irsaServed bool, base func(context.Context) (identity.BaseRole, error),
) (*Sources, error) {
	annotations := serviceaccount.Annotations{IRSA: cfg.IRSAAnnotations.Read()}
	accounts, err1 := clients.MetadataInformer(serviceaccount.Resource, cfg.Namespace, "", annotations.Transform)
	roles, err2 := clients.RoleInformer(cfg.Namespace)
	ofAccounts, err3 := secretInformer(cfg, clients, identity.ServiceAccount)
	ofRoles, err4 := secretInformer(cfg, clients, identity.AWSIAMRole)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return nil, err
	}
	externalID := func(namespace string) string { return trust.ExternalID(namespace, cfg.ClusterName) }
	return &Sources{
		Accounts: serviceaccount.NewSource(clients.Metadata, accounts, serviceaccount.Config{
			ExternalID:      externalID,
			IRSAServed:      irsaServed,
			Lookup:          clients.Lookup,
			Annotations:     annotations,
			ClusterName:     cfg.ClusterName,
			DefaultRegion:   cfg.DefaultRegion,
			Base:            base,
			LookupUntrusted: clients.LookupUntrusted,
		}),
		Roles: awsiamrole.NewSource(clients.Roles, roles, externalID),
		Store: secrets.NewStore(clients.Secrets, map[identity.Source]cache.SharedIndexInformer{
			identity.ServiceAccount: ofAccounts, identity.AWSIAMRole: ofRoles,
		}),
		Informers: map[identity.Source]Informers{
			identity.ServiceAccount: {accounts, ofAccounts}, identity.AWSIAMRole: {roles, ofRoles},
		},
	}, nil
}

func secretInformer(cfg config.Config, clients *kube.Clients, source identity.Source) (*kube.Informer, error) {
	return clients.MetadataInformer(corev1.SchemeGroupVersion.WithResource("secrets"), cfg.Namespace,
		secrets.Selector(source), secrets.Transform(source))
}

// cacheTimeout is how long the objects of a command may take to arrive.
const cacheTimeout = 30 * time.Second

// Fill runs the informers of one kind of object until ctx is done, for a command, which
// needs no others. It reports whether both caches were filled in time.
func (s *Sources) Fill(ctx context.Context, source identity.Source) bool {
	timeout, cancel := context.WithTimeout(ctx, cacheTimeout)
	defer cancel()
	of := s.Informers[source]
	for _, informer := range []*kube.Informer{of.Objects, of.Secrets} {
		go informer.RunWithContext(ctx)
		if !informer.AwaitSettled(timeout) || informer.Refused() {
			return false
		}
	}
	return true
}

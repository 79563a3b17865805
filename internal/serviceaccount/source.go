// Package serviceaccount serves ServiceAccounts: what their annotations ask
// for, and the annotation that tells what became of it.
package serviceaccount

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/tools/cache"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// Resource is what the API server serves ServiceAccounts as.
var Resource = corev1.SchemeGroupVersion.WithResource("serviceaccounts")

// Config says what a Source needs to know beside the objects.
type Config struct {
	// ExternalID returns what is presented to STS on behalf of a namespace.
	ExternalID func(namespace string) string
	// SecretName returns the name of a ServiceAccount's Secret.
	SecretName func(name string) string
	// MaxName is the longest name of a ServiceAccount that leaves room for
	// its Secret's name.
	MaxName int
	// IRSAServed says that something else in the cluster reads the annotation
	// eks.amazonaws.com/role-arn.
	IRSAServed bool
	// Lookup reads a ServiceAccount while a pod waits to be admitted. It is
	// a client of its own, so that no burst of writes delays pods. LookupStrange
	// does so for whoever may not be the API server.
	Lookup, LookupUntrusted metadata.Interface
}

// A Source reads what ServiceAccounts ask for and writes back which role they
// have.
type Source struct {
	client   metadata.Interface
	informer cache.SharedIndexInformer
	config   Config
	// lookups are for the API server, strange for whoever may not be it.
	lookups, untrusted *lookups
}

// NewSource returns a Source. The informer is one of metadata, made with
// Transform.
func NewSource(client metadata.Interface, informer cache.SharedIndexInformer, config Config) *Source {
	return &Source{
		client: client, informer: informer, config: config,
		lookups:   newLookups(config.Lookup, maxLookups, 0),
		untrusted: newLookups(config.LookupUntrusted, maxUntrusted, maxUncached),
	}
}

// Desired returns what a ServiceAccount asks for, nil if nothing. Beside an
// *identity.InvalidError it returns as much as can be read.
func (s *Source) Desired(key identity.Key) (*identity.Desired, error) {
	a := s.cached(key)
	if a == nil || !a.requestsIdentity() {
		return nil, nil //nolint:nilnil // nothing asked for is an answer, not a failure
	}
	want := &identity.Desired{
		Key:        key,
		UID:        a.uid,
		SecretName: s.config.SecretName(key.Name),
		ExternalID: s.config.ExternalID(key.Namespace),
	}
	if len(key.Name) > s.config.MaxName {
		return want, &identity.InvalidError{
			Reason: api.InvalidAnnotation,
			Message: fmt.Sprintf("the name of this ServiceAccount has %d characters: the Secret named after it leaves room for %d, give the ServiceAccount a shorter name",
				len(key.Name), s.config.MaxName),
		}
	}
	if err := parseAnnotations(a.annotationMap(), want); err != nil {
		return want, err
	}
	return want, a.checkDeletionPolicy(want)
}

func (s *Source) cached(key identity.Key) *account {
	obj, exists, err := s.informer.GetStore().GetByKey(key.Namespace + "/" + key.Name)
	if err != nil || !exists {
		return nil
	}
	a, _ := obj.(*account)
	return a
}

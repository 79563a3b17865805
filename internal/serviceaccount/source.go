// Package serviceaccount is the source of identities requested by annotations of
// ServiceAccounts: it parses the annotations and writes back the ARN of the role.
package serviceaccount

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/tools/cache"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// Resource is the API resource of ServiceAccounts.
var Resource = corev1.SchemeGroupVersion.WithResource("serviceaccounts")

// maxObjectName is the maximum length of an object's name,
// https://kubernetes.io/docs/concepts/overview/working-with-objects/names/.
const maxObjectName = 253

// MaxName is the maximum length of a ServiceAccount's name, in bytes, so that the name of
// its Secret is valid.
const MaxName = maxObjectName - len(api.SecretSuffix)

// Config configures a Source.
type Config struct {
	// ExternalID returns the external ID for a namespace.
	ExternalID func(namespace string) string
	// Annotations are those of the informer's Transform.
	Annotations Annotations
	// ClusterName and DefaultRegion are values of variables, "" for none, or, in other
	// processes than the controller, for the reason SettingsUnknown.
	ClusterName, DefaultRegion string
	SettingsUnknown            error
	// Base returns the base that completes role names, which has values of variables.
	// Its errors are temporary. KnownBase is the same for Read, which makes no calls.
	Base      func(context.Context) (identity.BaseRole, error)
	KnownBase func() (identity.BaseRole, error)
	// IRSAServed reports that another webhook in the cluster reads the annotation
	// eks.amazonaws.com/role-arn.
	IRSAServed bool
	// Lookup reads ServiceAccounts while pods wait for admission. It is a client
	// with a rate limit of its own, so that bursts of writes do not delay pods.
	// LookupUntrusted is the same for callers that are not known to be the API
	// server.
	Lookup, LookupUntrusted metadata.Interface
}

// A Source parses what ServiceAccounts request and reports their roles on them.
type Source struct {
	client   metadata.Interface
	informer cache.SharedIndexInformer
	config   Config
	// lookups serves the API server, untrusted all other callers.
	lookups, untrusted *lookups
}

// NewSource returns a Source. The informer is a metadata informer with
// Annotations.Transform.
func NewSource(client metadata.Interface, informer cache.SharedIndexInformer, config Config) *Source {
	return &Source{
		client: client, informer: informer, config: config,
		lookups:   newLookups(config.Lookup, config.Annotations, maxLookups, 0),
		untrusted: newLookups(config.LookupUntrusted, config.Annotations, maxUntrusted, maxUncached),
	}
}

// Desired returns what a ServiceAccount requests, nil if nothing. Together with an error
// it returns as much as could be parsed. Any error but an *identity.InvalidError is
// temporary: the value of a variable is not known yet.
func (s *Source) Desired(ctx context.Context, key identity.Key) (*identity.Desired, error) {
	base := func() (identity.BaseRole, error) { return s.config.Base(ctx) }
	return s.config.desired(key, s.cached(key), base)
}

// desired returns what a ServiceAccount requests, nil if nothing or if there is none.
func (c Config) desired(key identity.Key, a *account, base func() (identity.BaseRole, error)) (*identity.Desired, error) {
	if a == nil || !a.requestsIdentity() {
		return nil, nil //nolint:nilnil // nothing asked for is an answer, not a failure
	}
	want := &identity.Desired{
		Key:        key,
		UID:        a.uid,
		SecretName: key.Name + api.SecretSuffix,
		ExternalID: c.ExternalID(key.Namespace),
	}
	if len(key.Name) > MaxName {
		return want, &identity.InvalidError{
			Reason: api.InvalidAnnotation,
			Message: fmt.Sprintf("the name of this ServiceAccount has %d characters: the Secret named after it leaves room for %d, give the ServiceAccount a shorter name",
				len(key.Name), MaxName),
		}
	}
	annotations := a.annotationMap()
	if err := parseAnnotations(annotations, c.variables(key, annotations, base), want); err != nil {
		return want, err
	}
	return want, a.checkMisspelled(want)
}

func (s *Source) cached(key identity.Key) *account {
	obj, exists, err := s.informer.GetStore().GetByKey(key.Namespace + "/" + key.Name)
	if err != nil || !exists {
		return nil
	}
	a, _ := obj.(*account)
	return a
}

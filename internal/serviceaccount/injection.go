package serviceaccount

import (
	"context"
	"fmt"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// Injection returns what the pods of a ServiceAccount are given, nil if it requests
// nothing. Malformed annotations are an *identity.InvalidError.
//
// The cache is trusted where it shows a request. Where it shows none it may be
// stale, so the API server is asked. Such lookups are limited per namespace, or, if
// clientAddress is not "", per that client address, which belongs to a caller that is
// not known to be the API server.
func (s *Source) Injection(ctx context.Context, clientAddress, namespace, name string) (*identity.Injection, error) {
	annotations := map[string]string{}
	if a := s.cached(identity.Key{Namespace: namespace, Name: name}); a != nil {
		annotations = a.annotationMap()
	}
	if !requestsIdentity(annotations) {
		var err error
		if annotations, err = s.lookUp(ctx, clientAddress, namespace, name); err != nil {
			return nil, fmt.Errorf("read ServiceAccount %s/%s: %w", namespace, name, err)
		}
	}
	return s.config.injection(name, annotations)
}

// injection returns what annotations say about pods, nil if they request nothing.
func (c Config) injection(name string, annotations map[string]string) (*identity.Injection, error) {
	if !requestsIdentity(annotations) {
		return nil, nil //nolint:nilnil // nothing asked for is an answer, not a failure
	}
	give := &identity.Injection{Account: name, SecretName: name + api.SecretSuffix}
	return give, invalidAnnotations(parseInjection(annotations, give))
}

func (s *Source) lookUp(ctx context.Context, clientAddress, namespace, name string) (map[string]string, error) {
	_, cached, _ := s.informer.GetStore().GetByKey(namespace + "/" + name)
	q := query{queue: namespace, namespace: namespace, name: name, cached: cached}
	switch {
	case clientAddress != "":
		q.queue = clientAddress
		return s.untrusted.read(ctx, q)
	case !cached:
		q.queue = "" // that of all that are too new, or not there at all
	}
	return s.lookups.read(ctx, q)
}

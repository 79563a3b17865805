package serviceaccount

import (
	"context"
	"fmt"

	"kube-aws-iam-controller/internal/identity"
)

// Injection returns what the pods of a ServiceAccount are given, nil if the
// ServiceAccount asks for nothing. Annotations that cannot be understood are an
// *identity.InvalidError.
//
// The cache is believed where it says that something is asked for. Where it
// says nothing of the kind it may only be late, and the API server is asked: on
// the share of the namespace, or of the address that asks where that may be
// anybody's. It is "" where it is the API server's.
func (s *Source) Injection(ctx context.Context, stranger, namespace, name string) (*identity.Injection, error) {
	annotations := map[string]string{}
	if a := s.cached(identity.Key{Namespace: namespace, Name: name}); a != nil {
		annotations = a.annotationMap()
	}
	if !requestsIdentity(annotations) {
		var err error
		if annotations, err = s.lookUp(ctx, stranger, namespace, name); err != nil {
			return nil, fmt.Errorf("read ServiceAccount %s/%s: %w", namespace, name, err)
		}
	}
	if !requestsIdentity(annotations) {
		return nil, nil //nolint:nilnil // nothing asked for is an answer, not a failure
	}
	give := &identity.Injection{Account: name, SecretName: s.config.SecretName(name)}
	return give, invalidAnnotations(parseInjection(annotations, give))
}

func (s *Source) lookUp(ctx context.Context, stranger, namespace, name string) (map[string]string, error) {
	_, heard, _ := s.informer.GetStore().GetByKey(namespace + "/" + name)
	q := query{queue: namespace, namespace: namespace, name: name, cached: heard}
	switch {
	case stranger != "":
		q.queue = stranger
		return s.untrusted.read(ctx, q)
	case !heard:
		q.queue = "" // that of all that are too new, or not there at all
	}
	return s.lookups.read(ctx, q)
}

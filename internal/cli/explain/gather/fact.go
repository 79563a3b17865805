// Package gather reads what the chain examines, with the permissions of whoever runs the
// command. What may not be read becomes a fact that is not known.
package gather

import (
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"kube-aws-iam-controller/internal/cli/explain/chain"
)

// A request is what the API server was asked for.
type request struct {
	// verb and resource are those of RBAC. namespace is "" for what is in none.
	verb, resource, namespace string
}

func (r request) String() string {
	if r.namespace == "" {
		return r.verb + " " + r.resource
	}
	return r.verb + " " + r.resource + " in " + r.namespace
}

// fact returns what the API server answered. What does not exist is known not to.
func fact[T any](r request, value T, err error) chain.Fact[T] {
	var none T
	switch {
	case err == nil:
		return chain.Fact[T]{Value: value}
	case apierrors.IsNotFound(err):
		return chain.Fact[T]{Value: none}
	case apierrors.IsForbidden(err):
		return chain.Fact[T]{Unknown: fmt.Sprintf("you may not %s", r)}
	default:
		return chain.Fact[T]{Unknown: fmt.Sprintf("%s: %v", r, err)}
	}
}

// as returns a fact about a part of another one.
func as[T, U any](from chain.Fact[T], part func(T) U) chain.Fact[U] {
	if from.Unknown != "" {
		return chain.Fact[U]{Unknown: from.Unknown}
	}
	return chain.Fact[U]{Value: part(from.Value)}
}

package serviceaccount

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/internal/identity"
)

// A Request is what one ServiceAccount requests.
type Request struct {
	// Desired is nil if it requests nothing or is being deleted. Err is as that of
	// Source.Desired; Desired then has as much as could be parsed.
	Desired *identity.Desired
	Err     error
	// Managed reports that it requests a managed role, even if Desired does not tell.
	Managed bool
	// Variables are those in the annotations, each with its value, if that is known.
	Variables [][2]string
	// Warning is about annotations that have no effect.
	Warning identity.Warning
	// Injection is what its pods are given, nil for nothing; InjectionErr is an
	// *identity.InvalidError, for which admission refuses them.
	Injection    *identity.Injection
	InjectionErr error
	// SkippedByAdmission reports that the admission policy passes over its pods.
	SkippedByAdmission bool
}

// Read returns what a ServiceAccount requests, for a process that has no cache of them.
func Read(object *metav1.PartialObjectMetadata, config Config) Request {
	reduced, err := config.Annotations.Transform(object)
	a, _ := reduced.(*account)
	if err != nil || a == nil {
		return Request{}
	}
	var r Request
	key := identity.Key{Source: identity.ServiceAccount, Namespace: a.namespace, Name: a.name}
	r.Desired, r.Err = config.desired(key, a, config.KnownBase)
	r.Managed = requestsManagedRole(a.annotationMap())
	r.Variables = config.usedVariables(key, a.annotationMap())
	r.Warning = config.warning(a)
	r.SkippedByAdmission = a.skipped
	r.Injection, r.InjectionErr = config.injection(a.name, a.annotationMap())
	return r
}

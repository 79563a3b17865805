package sts

import (
	"kube-aws-iam-controller/internal/awserr"
	"kube-aws-iam-controller/internal/identity"
)

// outageError wraps a failure that has nothing to do with what was requested.
type outageError struct{ error }

// Is matches identity.ErrOutage.
func (outageError) Is(target error) bool { return target == identity.ErrOutage }

func (o outageError) Unwrap() error { return o.error }

// describe is awserr.Describe, and tells outages from what STS says of a request.
func describe(err error) error {
	if err = awserr.Describe(err); awserr.IsOutage(err) {
		return outageError{err}
	}
	return err
}

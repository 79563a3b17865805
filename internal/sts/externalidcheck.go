package sts

import (
	"context"
	"crypto/rand"

	"kube-aws-iam-controller/internal/awserr"
	"kube-aws-iam-controller/internal/identity"
)

// EnforcesExternalID reports whether a role rejects external IDs other than want's. Only
// STS evaluates trust policies, so it is asked for a session under an external ID
// that no namespace can have, because names of namespaces have no capital letters.
// An error means that STS did not tell. Credentials of a role that does not reject
// it are discarded. See
// https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html.
func (a *Assumer) EnforcesExternalID(ctx context.Context, want identity.Desired) (bool, error) {
	role, err := a.caller.resolve(ctx, want)
	if err != nil {
		return false, err
	}
	ours, err := a.MayRunOn(ctx, want.Namespace, role)
	if ours || err != nil {
		return ours, err // no other namespace may use it, whatever its trust policy says
	}
	want.ExternalID = rand.Text() + "/" + a.ClusterName
	want.SessionPolicy = "" // trust policies do not depend on it, and STS may refuse it for another reason
	_, _, err = a.assumeRole(ctx, want, role, identity.MinSession, a.tags(want))
	if awserr.IsDenied(err) && mayBeTrustPolicy(err) {
		return true, nil
	}
	return false, a.refusalError(want, role, identity.MinSession, err)
}

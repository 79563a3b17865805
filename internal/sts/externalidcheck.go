package sts

import (
	"context"
	"crypto/rand"

	"kube-aws-iam-controller/internal/awserr"
	"kube-aws-iam-controller/internal/identity"
)

// RefusesOthers says whether a role refuses to be assumed under another external
// ID than want's. Only STS evaluates trust policies, so STS is asked, on behalf of
// a namespace that cannot be: names of namespaces have no capitals. An error says
// that it did not tell. The credentials of a role that does not refuse are dropped.
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html.
func (a *Assumer) RefusesOthers(ctx context.Context, want identity.Desired) (bool, error) {
	role, err := a.caller.resolve(ctx, want)
	if err != nil {
		return false, err
	}
	own, err := a.MayRunOn(ctx, want.Namespace, role)
	if own || err != nil {
		return own, err // no other namespace may have it, whatever its trust policy says
	}
	want.ExternalID = rand.Text() + "/" + a.ClusterName
	_, _, err = a.assumeRole(ctx, want, role, identity.MinSession, a.tags(want))
	if awserr.IsDenied(err) && !isUntaggable(err) { // which says nothing of external IDs
		return true, nil
	}
	return false, a.refusalError(want, role, identity.MinSession, err)
}

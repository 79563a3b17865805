package iamprovision

import (
	"context"
	"errors"
	"iter"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/go-kit/log/level"
	"k8s.io/apimachinery/pkg/util/validation"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/awserr"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/trust"
)

// perPage is the most that IAM lists at once:
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListRoles.html.
const perPage = 1000

// Sweep looks for roles that were made for this cluster and calls found, with
// the role's unique id, for each that is none of the owners'. Retained ones are
// not wanted back and left out. It writes nothing. A role that cannot be read
// keeps nobody from the others; what could not be read is in the error.
//
// The names of the owners' roles are computed, so that only strangers cost a
// read: a list shows no tags.
func (p *Provisioner) Sweep(ctx context.Context, owners iter.Seq[identity.Key], found func(key identity.Key, id string)) error {
	known := map[string]bool{}
	for key := range owners {
		known[roleName(p.ClusterName, key)] = true
	}
	uid, err := p.clusterUID(ctx)
	if err != nil {
		return err
	}
	roles, err := p.list(ctx)
	if err != nil {
		return awserr.Describe(err)
	}
	var failures []error
	for _, role := range roles {
		if known[role.name] {
			continue
		}
		if err = p.inspect(ctx, role.name, uid, found); err != nil {
			failures = append(failures, awserr.Describe(err))
		}
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(failures...)
}

// trace calls found if the tags of a role tell that it was made for an identity
// of this cluster, and not retained. Of a cluster whose roles are adopted, only those
// that are asked for are: the others' ServiceAccounts may yet be restored.
func (p *Provisioner) inspect(ctx context.Context, name, uid string, found func(identity.Key, string)) error {
	have, err := p.get(ctx, name)
	if err != nil {
		return ignoreMissing(err)
	}
	tags := toMap(have.Tags)
	key := identity.Key{Source: identity.ServiceAccount, Namespace: tags[api.NamespaceTag], Name: tags[api.ServiceAccountTag]}
	if !isValidKey(key) || !containsTags(tags, ownerTags(p.ClusterName, key)) {
		return nil
	}
	if other, tagged := tags[api.ClusterUIDTag]; tagged && uid != "" && other != uid {
		level.Warn(p.Logger).Log("msg", "a role under the path of this cluster is that of another cluster of its name, and is left alone",
			"role", name, "cluster_uid", other, "this_cluster_uid", uid)
		return nil
	}
	if p.checkOwned(key, have, "", uid) != nil {
		return nil //nolint:nilerr // it is none of ours
	}
	if _, retained := tags[api.RetainedTag]; retained {
		return p.checkRetained(ctx, key, have)
	}
	found(key, aws.ToString(have.RoleId))
	return nil
}

// checkRetained says in the log whether somebody else changed whom a retained role
// trusts. It is not corrected: a role is retained for people to go on with. Once its
// ServiceAccount is back, it is.
func (p *Provisioner) checkRetained(ctx context.Context, key identity.Key, have *types.Role) error {
	s, err := p.spec(ctx, identity.Desired{Key: key, ExternalID: trust.ExternalID(key.Namespace, p.ClusterName), Managed: &identity.ManagedRole{}})
	if err != nil {
		return err
	}
	given := func(policy string) bool {
		return samePolicy(identity.TrustPolicy, aws.ToString(have.AssumeRolePolicyDocument), policy)
	}
	if !given(s.trust) && !given(s.legacyTrust) {
		level.Error(p.Logger).Log("msg", "a retained role does not have the trust policy that it was given: see who may assume it, and delete it if it is not needed",
			"role", aws.ToString(have.Arn), "object", key)
	}
	return nil
}

// canBe says whether there can be such a ServiceAccount. Whoever tags a role can
// write anything, and the API server is asked for the path that the names make.
func isValidKey(key identity.Key) bool {
	return len(validation.IsDNS1123Label(key.Namespace)) == 0 && len(validation.IsDNS1123Subdomain(key.Name)) == 0
}

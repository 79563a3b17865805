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

// perPage is the maximum number of roles on one page:
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListRoles.html.
const perPage = 1000

// Sweep calls found for each role of this cluster that belongs to none of the
// owners, with its unique ID. Retained roles are skipped. It writes nothing. A role
// that cannot be read does not prevent others from being found; the error includes
// all failures.
//
// A list does not include tags, so each role that might be an orphan is read. The
// names of the owners' roles are computed to avoid reading those.
func (p *Provisioner) Sweep(ctx context.Context, owners iter.Seq[identity.Key], found func(key identity.Key, id string)) error {
	known := map[string]bool{}
	for key := range owners {
		known[RoleName(p.ClusterName, key)] = true
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

// inspect calls found if the tags of a role show that it was created for an
// identity of this cluster and is not retained. Roles of a cluster that is being
// adopted are only taken over on request: the ServiceAccounts of the others may
// still be restored.
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
		return nil //nolint:nilerr // it does not belong to this cluster
	}
	if _, retained := tags[api.RetainedTag]; retained {
		return p.checkRetained(ctx, key, have)
	}
	found(key, aws.ToString(have.RoleId))
	return nil
}

// checkRetained logs an error if the trust policy of a retained role was changed.
// It is not corrected, because a role is retained for people to use, until its
// ServiceAccount is back.
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

// isValidKey reports whether such a ServiceAccount can exist. Tags may contain
// anything, and the names become part of a path of the Kubernetes API.
func isValidKey(key identity.Key) bool {
	return len(validation.IsDNS1123Label(key.Namespace)) == 0 && len(validation.IsDNS1123Subdomain(key.Name)) == 0
}

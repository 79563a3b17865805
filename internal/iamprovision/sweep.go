package iamprovision

import (
	"context"
	"errors"
	"iter"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"k8s.io/apimachinery/pkg/util/validation"

	"kube-aws-iam-controller/internal/awserr"
	"kube-aws-iam-controller/internal/identity"
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
	names, err := p.names(ctx)
	if err != nil {
		return awserr.Describe(err)
	}
	var failures []error
	for _, name := range names {
		if known[name] {
			continue
		}
		if err = p.trace(ctx, name, found); err != nil {
			failures = append(failures, awserr.Describe(err))
		}
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(failures...)
}

// names returns those of all roles under our path.
func (p *Provisioner) names(ctx context.Context) ([]string, error) {
	return collect(ctx, iam.NewListRolesPaginator(p.iam, &iam.ListRolesInput{PathPrefix: &p.Path, MaxItems: new(int32(perPage))}),
		func(out *iam.ListRolesOutput) (names []string) {
			for i := range out.Roles {
				names = append(names, aws.ToString(out.Roles[i].RoleName))
			}
			return names
		})
}

// trace calls found if the tags of a role tell that it was made for an identity
// of this cluster, and not retained.
func (p *Provisioner) trace(ctx context.Context, name string, found func(identity.Key, string)) error {
	have, err := p.read(ctx, name)
	if err != nil {
		return gone(err)
	}
	tags := toMap(have.Tags)
	key := identity.Key{Source: identity.ServiceAccount, Namespace: tags[namespaceTag], Name: tags[accountTag]}
	if _, retained := tags[retainedTag]; !retained && canBe(key) && p.owned(key, have, "") == nil {
		found(key, aws.ToString(have.RoleId))
	}
	return nil
}

// canBe says whether there can be such a ServiceAccount. Whoever tags a role can
// write anything, and the API server is asked for the path that the names make.
func canBe(key identity.Key) bool {
	return len(validation.IsDNS1123Label(key.Namespace)) == 0 && len(validation.IsDNS1123Subdomain(key.Name)) == 0
}

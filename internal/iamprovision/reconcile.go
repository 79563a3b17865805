package iamprovision

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/limit"
)

// reconcile makes an existing role match s if it belongs to the identity.
func (p *Provisioner) reconcile(ctx context.Context, s spec, have *types.Role, id string, failure error) (identity.Role, error) {
	if failure != nil {
		return identity.Role{}, failure
	}
	if err := p.checkOwned(s.key, have, id, s.clusterUID); err != nil {
		return identity.Role{}, err
	}
	if aws.ToString(have.Path) != s.path {
		return identity.Role{}, fmt.Errorf("it is at the path %s, not %s, and paths cannot be changed: delete the role, or set --role-path to where it is",
			aws.ToString(have.Path), s.path)
	}
	role, err := toRole(have, false)
	if err != nil {
		return role, err
	}
	s = p.resolveTrust(ctx, s, have, &role)
	role.Changed, err = p.correct(ctx, s, have)
	if !s.dryRun {
		markRenewed(&role)
	}
	return role, err
}

// checkOwned returns an error unless a role belongs to the identity: by its tags,
// and by its unique ID if that is known, because somebody else may have recreated
// the role. Roles without the tag for the cluster's UID predate that tag.
func (p *Provisioner) checkOwned(key identity.Key, have *types.Role, id, uid string) error {
	name := aws.ToString(have.RoleName)
	other, tagged := toMap(have.Tags)[api.ClusterUIDTag]
	switch {
	case name != RoleName(p.ClusterName, key):
		return notOwned(name, "its name differs in case from the one that is wanted, and IAM takes both for one")
	case !containsTags(toMap(have.Tags), ownerTags(p.ClusterName, key)):
		return notOwned(name, "it lacks the tags that identify this ServiceAccount")
	case tagged && uid != "" && other != uid && other != p.AdoptUID:
		return &identity.StepError{
			Reason:  api.RoleNotOwned,
			Message: fmt.Sprintf("Role '%s' exists and is that of another cluster of this one's name; nothing in it was changed. %s", name, p.otherClusterAdvice(name, other, uid)),
			Err:     errOtherCluster,
		}
	case id != "" && id != aws.ToString(have.RoleId):
		return notOwned(name, "it was deleted and created again by somebody else")
	}
	return nil
}

// get returns a role. A deleted role that IAM still shows is NoSuchEntity.
func (p *Provisioner) get(ctx context.Context, name string) (*types.Role, error) {
	out, err := p.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: &name})
	if err != nil {
		return nil, err
	}
	if out.Role == nil {
		return nil, errors.New("IAM answered without the role")
	}
	if p.tombstones.has(aws.ToString(out.Role.RoleId)) {
		return nil, errDeleted
	}
	return out.Role, nil
}

func toRole(r *types.Role, created bool) (identity.Role, error) {
	arn, err := identity.ParseRole(aws.ToString(r.Arn))
	if err != nil || !arn.Resolved() {
		return identity.Role{}, fmt.Errorf("IAM answered with %s for an ARN", identity.Quote(aws.ToString(r.Arn)))
	}
	role := identity.Role{ARN: arn, ID: aws.ToString(r.RoleId), Created: created, Since: aws.ToTime(r.CreateDate)}
	if r.RoleLastUsed != nil { // not in the answer of CreateRole
		role.Used = identity.RoleUse{Known: true, At: aws.ToTime(r.RoleLastUsed.LastUsedDate)}
	}
	return role, nil
}

// DiffersCalls is the number of requests to IAM that Differs makes at most: GetRole,
// ListAttachedRolePolicies, ListRolePolicies, and GetRolePolicy for a role with an inline
// policy. The lists of a role that others have given hundreds of policies are longer.
const DiffersCalls = 4

// missingKind is the entry of identity.Role.Changed for a role that does not exist.
const missingKind = "role"

// Differs reads the role that want requests and returns it without writing
// anything: Changed is what Ensure would correct, TrustRenewed whether it would upgrade
// the trust policy. id is the unique ID of the role. Nobody waits for it, so its requests
// let others go first. Errors are *identity.StepError.
func (p *Provisioner) Differs(ctx context.Context, want identity.Desired, id string) (identity.Role, error) {
	ctx = limit.Background(ctx)
	s, err := p.spec(ctx, want)
	if err != nil {
		return identity.Role{}, provisionError(RoleName(p.ClusterName, want.Key), err)
	}
	s.dryRun = true
	have, err := p.get(ctx, s.name)
	if isMissing(err) {
		return identity.Role{Changed: []string{missingKind}}, nil
	}
	role, err := p.reconcile(ctx, s, have, id, err)
	if err != nil {
		return identity.Role{}, provisionError(s.name, err)
	}
	return role, nil
}

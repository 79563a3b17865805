package iamprovision

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/awserr"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/trust"
)

// spec is the specification of a role.
type spec struct {
	key         identity.Key
	want        identity.Desired
	name, path  string
	trust       string
	legacyTrust string // the trust policy that earlier versions wrote
	policy      string // "" for none
	managed     []string
	boundary    string // "" for none
	session     int32  // seconds
	description string
	tags        map[string]string
	clusterUID  string // "" if unknown
	// dryRun reports that nothing is to be written.
	dryRun bool
}

// maxSessionFloor is the lowest maximum session duration that IAM accepts, in
// seconds.
const maxSessionFloor = 3600

func (p *Provisioner) spec(ctx context.Context, want identity.Desired) (spec, error) {
	principal, err := p.Principal(ctx)
	if err != nil {
		// Not provisionError, which would drop the remedy that err names.
		return spec{}, &identity.StepError{
			Reason:  api.ProvisionFailed,
			Message: fmt.Sprintf("Failed to provision role '%s': %v", RoleName(p.ClusterName, want.Key), err),
			Err:     err,
		}
	}
	policy, err1 := trust.ManagedPolicy(principal, want.ExternalID, p.SessionName(want.Namespace, want.Name), p.PassedOn...)
	before, err2 := trust.Policy(principal, want.ExternalID, "")
	if err = errors.Join(err1, err2); err != nil {
		return spec{}, err
	}
	tags := maps.Clone(p.Tags)
	if tags == nil {
		tags = map[string]string{}
	}
	maps.Copy(tags, ownerTags(p.ClusterName, want.Key))
	uid, err := p.clusterUID(ctx)
	if err != nil {
		return spec{}, err
	}
	return spec{
		key: want.Key, want: want,
		name: RoleName(p.ClusterName, want.Key), path: p.Path,
		trust: policy, legacyTrust: before, policy: want.Managed.Policy, managed: want.Managed.ManagedPolicies,
		boundary:    p.Boundary,
		session:     max(maxSessionFloor, int32(want.SessionDuration.Seconds())),
		description: "ServiceAccount " + want.Namespace + "/" + want.Name + " of the cluster " + p.ClusterName,
		tags:        tags,
		clusterUID:  uid,
	}, nil
}

// clusterUID returns the UID of the cluster, "" if it is unknown.
func (p *Provisioner) clusterUID(ctx context.Context) (string, error) {
	if p.ClusterUID == nil {
		return "", nil
	}
	uid, err := p.ClusterUID(ctx)
	if err != nil {
		return "", awserr.Plain(err, "learn the UID of this cluster: %v", err)
	}
	return uid, nil
}

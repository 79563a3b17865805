package iamprovision

import (
	"context"
	"fmt"

	"github.com/go-kit/log/level"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/awserr"
	"kube-aws-iam-controller/internal/identity"
)

// determineOwner determines whether roles, the newest first, belong to another
// cluster of the same name.
func (p *Provisioner) determineOwner(ctx context.Context, uid string, roles []listedRole) error {
	c := p.inventory
	c.mu.Lock()
	settled := c.owned || uid == ""
	c.mu.Unlock()
	if settled {
		return nil
	}
	foreign, err := p.findOtherCluster(ctx, uid, roles)
	if err != nil {
		return awserr.About("a role under "+p.Path, err)
	}
	c.setOwner(foreign)
	if foreign != "" {
		level.Error(p.Logger).Log("msg", "no roles are created: "+foreign)
	}
	return nil
}

// findOtherCluster returns which other cluster the roles belong to, "" if they
// belong to this one or do not tell. A single role of this cluster is sufficient.
func (p *Provisioner) findOtherCluster(ctx context.Context, uid string, roles []listedRole) (string, error) {
	found, reads := "", 0
	for _, role := range roles {
		if _, ours := roleScope(p.ClusterName, role.name); !ours {
			continue
		}
		if reads++; reads > maxOwnershipReads {
			break
		}
		have, err := p.get(ctx, role.name)
		if isMissing(err) || awserr.IsDenied(err) {
			continue
		}
		if err != nil {
			return "", err
		}
		tags := toMap(have.Tags)
		other, tagged := tags[api.ClusterUIDTag]
		switch {
		case !tagged || tags[api.ManagedByTag] != api.ControllerName || tags[api.ClusterTag] != p.ClusterName:
		case other == uid || other == p.AdoptUID:
			return "", nil
		case found == "":
			found = fmt.Sprintf("the path %s is that of another cluster of the name %s. %s", p.Path, p.ClusterName, p.otherClusterAdvice(role.name, other, uid))
		}
	}
	return found, nil
}

// otherClusterAdvice returns which cluster a role belongs to, and the remedy.
func (p *Provisioner) otherClusterAdvice(role, other, uid string) string {
	return fmt.Sprintf("Role %s has the tag %s=%s, and this cluster's UID, that of its Namespace kube-system, is %s: "+
		"give one of the clusters another --cluster-name, or, if this one replaces the other, start its controller with --adopt-roles-of-cluster-uid=%s",
		role, api.ClusterUIDTag, identity.Cut(other), uid, identity.Cut(other))
}

package iamprovision

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"kube-aws-iam-controller/internal/identity"
)

// Timing of the inventory.
const (
	// recountAfter is the age at which a list is repeated before it refuses roles,
	// because some may have been deleted since.
	recountAfter = 5 * time.Minute
	// listLag is how long IAM's list may lack a role that was created.
	listLag = time.Minute
)

// inventory is what is known about the roles under the path. It is filled from a
// list, once per process and with each sweep, and updated by what this process
// creates and deletes.
type inventory struct {
	// listing is held while roles are listed.
	listing chan struct{}

	mu sync.Mutex
	// listedAt is when the latest list was requested, the zero Time for never.
	listedAt time.Time
	// names are the roles with the time at which this process created them, counts
	// the number of roles by scope.
	names  map[string]time.Time
	counts map[string]int
	// ownerKnown reports that it is known which cluster the path belongs to. If it
	// is this one, owned is true and final; otherwise otherCluster describes the
	// other one.
	ownerKnown, owned bool
	otherCluster      string
}

func newInventory() *inventory {
	return &inventory{listing: make(chan struct{}, 1), names: map[string]time.Time{}, counts: map[string]int{}}
}

// namespaceScope returns the scope by which the roles of a namespace are counted:
// as much of its name as every role name shows.
func namespaceScope(namespace string) string { return namespace[:min(len(namespace), maxReadable)] }

// roleScope returns the scope of a role of this cluster, from its name alone. A
// role whose name may be truncated is attributed to the namespace that its name
// begins with, because its hash cannot be verified.
func roleScope(cluster, role string) (string, bool) {
	cut := len(role) - hashDigits - 1
	if cut < 1 || role[cut] != '-' {
		return "", false
	}
	namespace, account, whole := strings.Cut(role[:cut], ".")
	if cut == maxReadable {
		return namespace, true
	}
	return namespace, whole && RoleName(cluster, identity.Key{Namespace: namespace, Name: account}) == role
}

// addLocked counts a role if it belongs to this cluster and is not counted yet.
func (c *inventory) addLocked(cluster, role string, now time.Time) {
	of, ours := roleScope(cluster, role)
	if _, known := c.names[role]; known || !ours {
		return
	}
	c.names[role] = now
	c.counts[of]++
}

// add counts a role that exists.
func (c *inventory) add(cluster, role string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.addLocked(cluster, role, time.Now())
}

// remove stops counting a role.
func (c *inventory) remove(cluster, role string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.names[role]; !known {
		return
	}
	delete(c.names, role)
	of, _ := roleScope(cluster, role)
	if c.counts[of]--; c.counts[of] <= 0 {
		delete(c.counts, of)
	}
}

// replace adopts a list, and keeps roles that were created too recently to be on
// it.
func (c *inventory) replace(cluster string, roles []listedRole, asked time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	late := maps.Clone(c.names)
	c.listedAt, c.names, c.counts = asked, map[string]time.Time{}, map[string]int{}
	for _, role := range roles {
		c.addLocked(cluster, role.name, time.Time{})
	}
	for name, at := range late {
		if asked.Sub(at) < listLag {
			c.addLocked(cluster, name, at)
		}
	}
}

// setUnlistable records that roles created before cannot be known.
func (c *inventory) setUnlistable(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.listedAt, c.ownerKnown = now, true
}

// setOwner records the other cluster that the path belongs to, "" for this one.
func (c *inventory) setOwner(foreign string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ownerKnown, c.owned, c.otherCluster = true, foreign == "", foreign
}

// rolesOf returns the names of the roles that are counted for a namespace.
func (c *inventory) rolesOf(cluster, namespace string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var names []string
	for name := range c.names {
		if of, _ := roleScope(cluster, name); of == namespaceScope(namespace) {
			names = append(names, name)
		}
	}
	return names
}

// listedRole is what is kept of a role on a list.
type listedRole struct {
	name, id string
	created  time.Time
}

// list returns all roles under the path, the newest first, and updates the
// inventory.
func (p *Provisioner) list(ctx context.Context) ([]listedRole, error) {
	asked := time.Now()
	roles, err := collect(ctx, iam.NewListRolesPaginator(p.iam, &iam.ListRolesInput{PathPrefix: &p.Path, MaxItems: new(int32(perPage))}),
		func(out *iam.ListRolesOutput) (part []listedRole) {
			for i := range out.Roles {
				role := &out.Roles[i]
				part = append(part, listedRole{aws.ToString(role.RoleName), aws.ToString(role.RoleId), aws.ToTime(role.CreateDate)})
			}
			return part
		})
	if err != nil {
		return nil, err
	}
	roles = slices.DeleteFunc(roles, func(role listedRole) bool { return p.tombstones.has(role.id) })
	slices.SortStableFunc(roles, func(a, b listedRole) int { return b.created.Compare(a.created) })
	p.inventory.replace(p.ClusterName, roles, asked)
	return roles, nil
}

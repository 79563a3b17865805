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

const (
	// countAgain is how long a count that refuses roles is believed: somebody may
	// have deleted some since.
	recountAfter = 5 * time.Minute
	// countLate is how long IAM's list may lack a role that was made.
	listLag = time.Minute
)

// census is what is known of the roles under our path. It is filled by a list, once
// in a process and with each sweep, and kept by what this process makes and deletes.
type inventory struct {
	// turn is held by who lists.
	listing chan struct{}

	mu sync.Mutex
	// counted is when the list was asked for, the zero Time for never.
	listedAt time.Time
	// names are those of the roles, with when this process made them, and scopes how
	// many of them there are of each namespace.
	names  map[string]time.Time
	counts map[string]int
	// settled says that it was found out whose the path is: ours, which needs no
	// other look, or another cluster's, which foreign says.
	ownerKnown, owned bool
	otherCluster      string
}

func newInventory() *inventory {
	return &inventory{listing: make(chan struct{}, 1), names: map[string]time.Time{}, counts: map[string]int{}}
}

// scopeOf returns what a namespace's roles are counted by: as much of its name as a
// role's name always shows.
func namespaceScope(namespace string) string { return namespace[:min(len(namespace), maxReadable)] }

// scope returns the scope of a role that was made for this cluster, by its name
// alone. A name that may be cut tells less than its hash says, and is counted for
// whichever namespace it begins with.
func roleScope(cluster, role string) (string, bool) {
	cut := len(role) - hashDigits - 1
	if cut < 1 || role[cut] != '-' {
		return "", false
	}
	namespace, account, whole := strings.Cut(role[:cut], ".")
	if cut == maxReadable {
		return namespace, true
	}
	return namespace, whole && roleName(cluster, identity.Key{Namespace: namespace, Name: account}) == role
}

// add counts a role, if it was made for this cluster and is not counted.
func (c *inventory) addLocked(cluster, role string, now time.Time) {
	of, ours := roleScope(cluster, role)
	if _, known := c.names[role]; known || !ours {
		return
	}
	c.names[role] = now
	c.counts[of]++
}

// made counts a role that is there.
func (c *inventory) add(cluster, role string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.addLocked(cluster, role, time.Now())
}

// gone counts a role no longer.
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

// replace takes over a list, and keeps what was made too late to be on it.
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

// unseen says that the roles that were there before cannot be known.
func (c *inventory) setUnlistable(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.listedAt, c.ownerKnown = now, true
}

// belongs takes down whose the path is, "" for ours.
func (c *inventory) setOwner(foreign string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ownerKnown, c.owned, c.otherCluster = true, foreign == "", foreign
}

// of returns the names of the roles that are counted for a namespace.
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

// listed is what is kept of a role on a list.
type listedRole struct {
	name, id string
	created  time.Time
}

// list returns all roles under our path, the newest first, and counts them.
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

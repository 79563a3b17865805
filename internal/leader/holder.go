package leader

import (
	"strings"

	"github.com/go-kit/log/level"
	"github.com/google/uuid"
)

// everyNamespace stands in a holder's identity for no namespace in particular.
const everyNamespace = "*"

// holderIdentity returns what a replica on a host calls itself in the Lease. It
// ends in the namespace that the replica serves.
func holderIdentity(host, serves string) string {
	if serves == "" {
		serves = everyNamespace
	}
	return strings.Join([]string{host, uuid.NewString(), serves}, "_")
}

// servedBy returns the namespace in a holder's identity, "" for one that does not
// tell, such as that of a replica of an older version.
func servedBy(holder string) string {
	parts := strings.Split(holder, "_")
	if len(parts) != 3 {
		return ""
	}
	return parts[2]
}

// tellForeign says that the Lease is held on behalf of another namespace: for as
// long as that is so this replica, which is ready, serves nothing.
func (c Config) tellForeign(holder string) {
	theirs, ours := servedBy(holder), servedBy(holderIdentity("", c.Serves))
	if theirs == "" || theirs == ours {
		return
	}
	level.Error(c.Logger).Log("msg", "the lease is held by a controller of another namespace, and this one does nothing until it gets it: "+
		"give each a lease of its own with --leader-elect-name or --leader-elect-namespace",
		"lease", c.Namespace+"/"+c.Name, "holder", holder, "serves", ours, "theirs", theirs)
}

package leader

import (
	"os"
	"strings"

	"github.com/go-kit/log/level"
	"github.com/google/uuid"
)

// everyNamespace stands for all namespaces in a holder's identity.
const everyNamespace = "*"

// holderIdentity returns the identity of a replica in the Lease. It ends in the
// namespace that the replica serves.
func holderIdentity(host, serves string) string {
	if serves == "" {
		serves = everyNamespace
	}
	return strings.Join([]string{host, uuid.NewString(), serves}, "_")
}

func (c Config) host() (string, error) {
	if c.Host != "" {
		return c.Host, nil
	}
	return os.Hostname()
}

// HostOf returns what begins the identity of a replica.
func HostOf(holder string) string {
	host, _, _ := strings.Cut(holder, "_")
	return host
}

// servedBy returns the namespace in a holder's identity, "" if there is none, as in the
// identity of a replica of an older version.
func servedBy(holder string) string {
	parts := strings.Split(holder, "_")
	if len(parts) != 3 {
		return ""
	}
	return parts[2]
}

// logForeignHolder logs that the Lease is held by a controller of another namespace.
// Until that ends this replica serves nothing, although it is ready.
func (c Config) logForeignHolder(holder string) {
	theirs, ours := servedBy(holder), servedBy(holderIdentity("", c.Serves))
	if theirs == "" || theirs == ours {
		return
	}
	level.Error(c.Logger).Log("msg", "the lease is held by a controller of another namespace, so this one stays idle: "+
		"give each controller its own Lease with --leader-elect-name or --leader-elect-namespace",
		"lease", c.Namespace+"/"+c.Name, "holder", holder, "serves", ours, "theirs", theirs)
}

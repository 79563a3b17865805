// Package trust knows what ties an IAM role to this cluster: the external ID
// that the controller presents, and the trust policy that asks for it.
package trust

import (
	"fmt"
	"regexp"
)

// ExternalID returns namespace/cluster, what the controller presents to STS on
// behalf of a namespace. It is computed from the namespace of the object that
// asks and from the controller's own configuration, never from anything a
// user of the cluster can write: see
// https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html.
//
// Neither namespaces nor cluster names hold a slash, so no two pairs of them
// share an external ID. Without a cluster name it is "namespace/".
func ExternalID(namespace, cluster string) string {
	return namespace + "/" + cluster
}

var clusterName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

// CheckClusterName says what is wrong with a cluster name, nil if nothing. The
// empty name, for clusters that share no account, is fine.
func CheckClusterName(name string) error {
	if name == "" || clusterName.MatchString(name) {
		return nil
	}
	return fmt.Errorf("cluster name %q: give 1 to 100 letters, digits and ._-, the first a letter or digit", name)
}

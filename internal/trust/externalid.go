// Package trust defines what ties an IAM role to this cluster: the external ID that
// the controller passes to STS, and the trust policy that requires it.
package trust

import (
	"fmt"
	"regexp"
)

// ExternalID returns namespace/cluster, which the controller passes to STS on
// behalf of a namespace. It is derived from the namespace of the requesting object
// and the controller's configuration, never from anything that users of the cluster
// can write: https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html.
//
// Neither part contains a slash, so different pairs have different external IDs.
// Without a cluster name it is "namespace/".
func ExternalID(namespace, cluster string) string {
	return namespace + "/" + cluster
}

const maxClusterName = 100

var clusterName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// CheckClusterName returns an error unless name is a valid cluster name. The empty
// name is valid: it is for clusters that do not share an account.
func CheckClusterName(name string) error {
	if name == "" || len(name) <= maxClusterName && clusterName.MatchString(name) {
		return nil
	}
	return fmt.Errorf("cluster name %q: give 1 to 100 letters, digits and ._-, the first a letter or digit", name)
}

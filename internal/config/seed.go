package config

import (
	"cmp"
	"fmt"
	"strings"

	"kube-aws-iam-controller/internal/identity"
)

// defaultNamespace is where the manifests install the controller.
const defaultNamespace = "kube-system"

// seedKinds are the names of the kinds of objects that may request the controller's own
// role, as kubectl accepts them.
var seedKinds = map[string]identity.Source{
	"serviceaccount": identity.ServiceAccount, "serviceaccounts": identity.ServiceAccount, "sa": identity.ServiceAccount,
	"awsiamrole": identity.AWSIAMRole, "awsiamroles": identity.AWSIAMRole,
}

// SeedKey returns the object whose Secret the command bootstrap writes. Its namespace,
// which is the controller's, is Namespace, by default kube-system.
func (c *Config) SeedKey() (identity.Key, error) {
	kind, name, _ := strings.Cut(c.SeedObject, "/")
	source, known := seedKinds[strings.ToLower(kind)]
	if !known {
		return identity.Key{}, fmt.Errorf("%s: give serviceaccount/NAME or awsiamrole/NAME", identity.Quote(c.SeedObject))
	}
	key := identity.Key{Source: source, Namespace: cmp.Or(c.Namespace, defaultNamespace), Name: name}
	return key, checkAccount(name)
}

package bootstrap

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"kube-aws-iam-controller/internal/identity"
)

// kinds are the names of the kinds of objects that may request the controller's own role,
// as kubectl accepts them.
var kinds = map[string]identity.Source{
	"serviceaccount": identity.ServiceAccount, "serviceaccounts": identity.ServiceAccount, "sa": identity.ServiceAccount,
	"awsiamrole": identity.AWSIAMRole, "awsiamroles": identity.AWSIAMRole,
}

// parseObject returns the object that is given as kind/name, without its namespace.
func parseObject(object string) (identity.Key, error) {
	kind, name, _ := strings.Cut(object, "/")
	source, known := kinds[strings.ToLower(kind)]
	if !known || len(validation.IsDNS1123Subdomain(name)) > 0 {
		return identity.Key{}, fmt.Errorf("%s: give serviceaccount/NAME or awsiamrole/NAME", identity.Quote(object))
	}
	return identity.Key{Source: source, Name: name}, nil
}

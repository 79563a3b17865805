package command

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"kube-aws-iam-controller/internal/identity"
)

// sources are the names of the kinds of objects that request an identity, as kubectl
// accepts them.
var sources = map[string]identity.Source{
	"serviceaccount": identity.ServiceAccount, "serviceaccounts": identity.ServiceAccount, "sa": identity.ServiceAccount,
	"awsiamrole": identity.AWSIAMRole, "awsiamroles": identity.AWSIAMRole, "air": identity.AWSIAMRole, "awsiamroles.zalando.org": identity.AWSIAMRole,
}

// ParseObject returns the object that requests an identity, which is given as kind/name,
// without its namespace.
func ParseObject(object string) (identity.Key, error) {
	kind, name, _ := strings.Cut(object, "/")
	source, known := sources[strings.ToLower(kind)]
	if !known || len(validation.IsDNS1123Subdomain(name)) > 0 {
		return identity.Key{}, fmt.Errorf("%s: give serviceaccount/NAME or awsiamrole/NAME", identity.Quote(object))
	}
	return identity.Key{Source: source, Name: name}, nil
}

package explain

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"kube-aws-iam-controller/internal/identity"
)

// The kinds of objects that can be explained.
const (
	pod            = "pod"
	serviceAccount = "serviceaccount"
	awsIAMRole     = "awsiamrole"
)

// kinds are the names of the kinds, as kubectl understands them.
var kinds = map[string]string{
	"pod": pod, "pods": pod, "po": pod,
	"serviceaccount": serviceAccount, "serviceaccounts": serviceAccount, "sa": serviceAccount,
	"awsiamrole": awsIAMRole, "awsiamroles": awsIAMRole, "air": awsIAMRole, "awsiamroles.zalando.org": awsIAMRole,
}

// A reference names an object.
type reference struct{ kind, name string }

// String returns kind/name.
func (r reference) String() string { return r.kind + "/" + r.name }

// parseReference parses kind/name, or kind and name.
func parseReference(args []string) (reference, error) {
	kind, name, found := strings.Cut(strings.Join(args, "/"), "/")
	known, is := kinds[strings.ToLower(kind)]
	if !found || !is || strings.Contains(name, "/") {
		return reference{}, fmt.Errorf("%s is not understood: give pod/NAME, serviceaccount/NAME (sa/NAME) or awsiamrole/NAME", identity.Quote(strings.Join(args, " ")))
	}
	if problems := validation.IsDNS1123Subdomain(name); len(problems) > 0 {
		return reference{}, fmt.Errorf("%s is not the name of a %s: give lower-case letters, digits, - and ., the first and last a letter or digit", identity.Quote(name), known)
	}
	return reference{kind: known, name: name}, nil
}

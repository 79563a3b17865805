package explain

import (
	"errors"
	"fmt"
	"slices"
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
	"awsiamrole": awsIAMRole, "awsiamroles": awsIAMRole, "air": awsIAMRole, "awsiamroles.zalando.org": awsIAMRole, "awsiamroles.v1.zalando.org": awsIAMRole,
}

// A reference names an object.
type reference struct{ kind, name string }

// String returns kind/name.
func (r reference) String() string { return r.kind + "/" + r.name }

// creators are kinds of objects that create pods.
var creators = []string{
	"deployment", "deployments", "deploy", "statefulset", "statefulsets", "sts", "daemonset", "daemonsets", "ds",
	"replicaset", "replicasets", "rs", "job", "jobs", "cronjob", "cronjobs", "cj", "replicationcontroller", "replicationcontrollers", "rc",
}

// parseReference parses kind/name, or kind and name.
func parseReference(args []string) (reference, error) {
	if len(args) == 0 {
		return reference{}, errors.New("name what to explain: pod/NAME, serviceaccount/NAME (sa/NAME) or awsiamrole/NAME")
	}
	given := identity.Quote(strings.Join(args, " "))
	if len(args) > 2 || len(args) == 2 && strings.Contains(strings.Join(args, ""), "/") {
		return reference{}, fmt.Errorf("%s: explain one object at a time", given)
	}
	kind, name, found := strings.Cut(strings.Join(args, "/"), "/")
	known, is := kinds[strings.ToLower(kind)]
	switch resource, _, _ := strings.Cut(strings.ToLower(kind), "."); {
	case found && slices.Contains(creators, resource):
		return reference{}, fmt.Errorf("%s creates pods, and has no credentials itself: explain one of its pods, or their ServiceAccount; kubectl get pods names them", given)
	case !found || !is || strings.Contains(name, "/"):
		return reference{}, fmt.Errorf("%s is not understood: give pod/NAME, serviceaccount/NAME (sa/NAME) or awsiamrole/NAME", given)
	}
	if problems := validation.IsDNS1123Subdomain(name); len(problems) > 0 {
		return reference{}, fmt.Errorf("%s is not the name of a %s: give lower-case letters, digits, - and ., the first and last a letter or digit", identity.Quote(name), known)
	}
	return reference{kind: known, name: name}, nil
}

package rights

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"

	"kube-aws-iam-controller/test/cluster"
	"kube-aws-iam-controller/test/kit"
)

// A set is manifests that are installed together.
type set struct {
	name                  string
	resources, components []string
	// alone says that the controller serves the namespace that it runs in.
	alone bool
	// steps are what a controller does that is installed so, and losses what it lacks without a right.
	steps  []step
	losses map[string]loss
	// of is the role whose rights are verified, "" for all: those of the others are so in another set.
	of string
}

// sets are all that are shipped.
var sets = []set{{
	name:      "manifests/prerequisites and the components webhook and metrics-authentication",
	resources: []string{"prerequisites"}, components: []string{"components/webhook", "components/metrics-authentication"},
	steps: slices.Concat(serving, meeting, electing, mutating, measuring), losses: losses,
}, {
	// By itself, because its right to list includes one of the component webhook.
	name:      "the component irsa-annotations",
	resources: []string{"prerequisites"}, components: []string{"components/irsa-annotations"},
	steps: besideEKS, losses: eksLosses, of: "kube-aws-iam-controller-irsa-annotations",
}, {
	name:      "manifests/namespaced",
	resources: []string{"namespaced"}, alone: true,
	steps: slices.Concat(serving, electing), losses: oneNamespace(),
}}

// until are a step and all that it builds on, in order.
func (s set) until(t *testing.T, name string) (steps []step) {
	t.Helper()
	for name != "" {
		i := slices.IndexFunc(s.steps, func(s step) bool { return s.name == name })
		require.NotEqual(t, -1, i, "there is no step %q", name)
		steps = append(steps, s.steps[i])
		name = s.steps[i].after
	}
	slices.Reverse(steps)
	return steps
}

// rights are all that a set grants the controller. Roles that are bound to nobody, or to others, are none of its.
func (s set) rights(t *testing.T) (all []right) {
	t.Helper()
	objects := s.render(t)
	for i := range objects {
		kind := objects[i].GetKind()
		if kind != "RoleBinding" && kind != "ClusterRoleBinding" {
			continue
		}
		var binding rbacv1.RoleBinding // the other kind has the same fields
		decode(t, &objects[i], &binding)
		if !slices.Contains(binding.Subjects, rbacv1.Subject{Kind: "ServiceAccount", Name: kit.Account, Namespace: kit.Namespace}) {
			continue
		}
		g := &grant{kind: binding.RoleRef.Kind, name: binding.RoleRef.Name, namespace: binding.Namespace}
		for j := range objects {
			role := &objects[j]
			if role.GetKind() == g.kind && role.GetName() == g.name && (g.kind == "ClusterRole" || role.GetNamespace() == g.namespace) {
				var r rbacv1.Role // so has this one
				decode(t, role, &r)
				g.rules = r.Rules
			}
		}
		require.NotEmpty(t, g.rules, "the %s %s grants nothing", g.kind, g.name)
		all = append(all, g.rights()...)
	}
	require.NotEmpty(t, all)
	for _, r := range all {
		require.NotContains(t, []string{r.verb, r.group, r.resource}, "*", "nobody can say what %s is for", r)
	}
	return all
}

// verifies reports whether it is this set that says what a right is for.
func (s set) verifies(r right) bool { return s.of == "" || s.of == r.grant.name }

func decode(t *testing.T, object *unstructured.Unstructured, into any) {
	t.Helper()
	require.NoError(t, runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, into))
}

// render returns what kubectl would apply.
func (s set) render(t *testing.T) (objects []unstructured.Unstructured) {
	t.Helper()
	dir := t.TempDir()
	text := "namespace: " + kit.Namespace + "\nresources:\n" + s.list(t, dir, s.resources) + "components:\n" + s.list(t, dir, s.components)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(text), 0o600))
	rendered, err := shared.Get(t).Kubectl(context.WithoutCancel(t.Context()), "kustomize", dir)
	require.NoError(t, err)
	for decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(rendered), 4096); ; {
		var object unstructured.Unstructured
		if err = decoder.Decode(&object.Object); errors.Is(err, io.EOF) {
			return objects
		}
		require.NoError(t, err)
		objects = append(objects, object)
	}
}

func (s set) list(t *testing.T, dir string, paths []string) string {
	t.Helper()
	root, err := cluster.Root()
	require.NoError(t, err)
	var lines strings.Builder
	for _, path := range paths {
		relative, err := filepath.Rel(dir, filepath.Join(root, "manifests", path))
		require.NoError(t, err)
		fmt.Fprintf(&lines, "  - %q\n", relative)
	}
	return lines.String()
}

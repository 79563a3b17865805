package convert

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/cli/migrate/manifest"
	"kube-aws-iam-controller/internal/identity"
)

// An asking is a role that manifests ask for, and where.
type asking struct {
	object, namespace, value string
	lines                    []int
}

// askings returns the roles that ServiceAccounts and pods ask for by annotations and
// variables, and those of annotations that stand elsewhere, in no namespace.
func askings(file *manifest.File) (all []asking) {
	known := map[*node]bool{}
	add := func(o *object, key, value *node) {
		if key == nil || value == nil {
			return
		}
		known[key] = true
		all = append(all, asking{o.String(), o.namespace, manifest.String(value), []int{o.doc.LineOf(key), o.doc.LineOf(value)}})
	}
	c := &converter{}
	for _, doc := range file.Documents {
		for _, o := range objects(doc, "default") {
			annotations := manifest.At(o.node, "metadata", "annotations")
			if w := c.workload(o); w != nil {
				annotations = manifest.At(w.template, "metadata", "annotations")
				addVariables(w, add)
			} else if o.is("", api.ServiceAccountKind) {
				key, value := manifest.Own(annotations, api.IRSAAnnotation)
				add(o, key, value)
			} else {
				continue
			}
			key, value := manifest.Own(annotations, podRole)
			add(o, key, value)
		}
		doc.Walk(func(n *node) {
			for _, name := range []string{podRole, api.IRSAAnnotation} {
				if key, value := manifest.Own(n, name); key != nil && !known[key] {
					all = append(all, asking{"", "", manifest.String(value), []int{doc.LineOf(key), doc.LineOf(value)}})
				}
			}
		})
	}
	return all
}

// addVariables adds the roles of pods that have a token by hand.
func addVariables(w *workload, add func(o *object, key, value *node)) {
	for _, container := range w.containers() {
		role := variable(container, webIdentityRole)
		if role != nil && variable(container, webIdentityToken) != nil {
			add(w.object, role, manifest.At(role, "value"))
		}
	}
}

// requireNoneLost checks that each role that was asked for is that of a ServiceAccount of
// its namespace now, or that a finding names it or its
// place, or its object as one that is left to the user.
func requireNoneLost(t *testing.T, asked []asking, after *manifest.File, findings []Finding) {
	t.Helper()
	var served []string
	for _, doc := range after.Documents {
		for _, o := range objects(doc, "default") {
			if role, has := o.annotation(api.RoleAnnotation); has && o.is("", api.ServiceAccountKind) {
				served = append(served, o.namespace+" "+role)
			}
		}
	}
	for _, a := range asked {
		role, err := identity.ReadRole(a.value)
		if slices.Contains(served, a.namespace+" "+a.value) || err == nil && slices.Contains(served, a.namespace+" "+identity.EscapeVariables(role.String())) {
			continue
		}
		require.True(t, slices.ContainsFunc(findings, func(f Finding) bool {
			return f.Open && f.Object == a.object || slices.Contains(a.lines, f.Line) || err == nil && strings.Contains(f.Message, role.String())
		}), "%q of the namespace %q at %v is lost: %v", a.value, a.namespace, a.lines, findings)
	}
}

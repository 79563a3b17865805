package check

import (
	"cmp"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"kube-aws-iam-controller/internal/config"
)

// rightsOf returns the rights that rules grant.
func rightsOf(rules []rbacv1.PolicyRule, namespace string) (all []right) {
	for _, rule := range rules {
		names := rule.ResourceNames
		if len(names) == 0 {
			names = []string{""}
		}
		for _, group := range rule.APIGroups {
			for _, full := range rule.Resources {
				resource, subresource, _ := strings.Cut(full, "/")
				for _, name := range names {
					for _, verb := range rule.Verbs {
						all = append(all, right{verb, group, resource, subresource, namespace, name})
					}
				}
			}
		}
	}
	return all
}

// needed returns the rights that a controller in the namespace home needs with a
// configuration.
func needed(c *config.Config, home string) ([]right, error) {
	type part struct{ file, namespace string }
	parts := []part{{"prerequisites/rbac.yaml", home}}
	if c.Namespace != "" {
		parts = []part{{"namespaced/controller-namespace/rbac.yaml", home}, {"namespaced/served-namespace/*.yaml", c.Namespace}}
	}
	if c.WebhookListenAddress != "" && c.WebhookCertFile == "" {
		parts = append(parts, part{"components/webhook/rbac.yaml", home})
	}
	if c.MetricsSecureListenAddress != "" {
		parts = append(parts, part{"components/metrics-authentication/rbac.yaml", home})
	}
	var all []right
	for _, p := range parts {
		objects, err := shipped(p.file)
		if err != nil {
			return nil, err
		}
		rights, err := granted(objects, p.namespace)
		if err != nil {
			return nil, err
		}
		all = append(all, rights...)
	}
	return withLease(all, c, home), nil
}

// withLease sets the name and namespace of the Lease, or leaves its rights out where none
// is used.
func withLease(all []right, c *config.Config, home string) []right {
	if !c.LeaderElect {
		return slices.DeleteFunc(all, func(r right) bool { return r.resource == "leases" })
	}
	for i := range all {
		if all[i].resource != "leases" {
			continue
		}
		all[i].namespace = cmp.Or(c.LeaderElectNamespace, home)
		if all[i].name != "" {
			all[i].name = cmp.Or(c.LeaderElectName, all[i].name)
		}
	}
	return all
}

// clusterScoped are the kinds in the manifests without a namespace.
var clusterScoped = []string{
	"CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding", "MutatingWebhookConfiguration",
	"MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding",
}

// installing returns the rights that are needed to apply objects to a namespace, and to
// change them later.
func installing(objects []unstructured.Unstructured, namespace string) (all []right) {
	for i := range objects {
		gvk := objects[i].GroupVersionKind()
		if gvk.Kind == "" {
			continue // a patch
		}
		resource, _ := meta.UnsafeGuessKindToResource(gvk)
		where := namespace
		if slices.Contains(clusterScoped, gvk.Kind) {
			where = ""
		}
		for _, verb := range []string{"get", "create", "patch"} {
			if r := (right{verb: verb, group: resource.Group, resource: resource.Resource, namespace: where}); !slices.Contains(all, r) {
				all = append(all, r)
			}
		}
	}
	return all
}

package check

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"kube-aws-iam-controller/internal/cli/finding"
)

const (
	crdFile = "prerequisites/crd.yaml"
	crdName = "awsiamroles.zalando.org"
)

func checkCRD(f *facts) []finding.Finding {
	const check = "crd"
	const apply = "kubectl apply -f manifests/" + crdFile
	switch {
	case f.crd.err != nil && f.served.err == nil && f.served.value:
		return ok(check, "AWSIAMRoles are served; you may not get the CustomResourceDefinition, so its fields are not compared")
	case f.crd.err != nil && (f.served.err != nil || f.served.value):
		return unseen(check, "get the CustomResourceDefinition "+crdName, f.crd.err)
	case f.crd.value == nil && f.servesOneNamespace():
		return warning(check, "the CustomResourceDefinition "+crdName+" is not installed: AWSIAMRoles are not served", apply)
	case f.crd.value == nil:
		return broken(check, "the CustomResourceDefinition "+crdName+" is not installed: AWSIAMRoles are not served", apply)
	case !f.served.value:
		return broken(check, "the CustomResourceDefinition "+crdName+" is installed, but its version v1 is not served", apply)
	}
	missing, err := missingFields(f.crd.value)
	switch {
	case err != nil:
		return unseen(check, "compare the CustomResourceDefinition", err)
	case len(missing) > 0:
		return warning(check, "the CustomResourceDefinition "+crdName+" is of another version, and lacks "+strings.Join(missing, ", "), apply)
	}
	return ok(check, "%s has all fields of this version", crdName)
}

func (f *facts) servesOneNamespace() bool {
	c := f.controller()
	return c != nil && c.ConfigError == nil && c.Config.Namespace != ""
}

// missingFields returns the fields of the shipped version v1 that an installed
// CustomResourceDefinition lacks. The API server drops what is written to those.
func missingFields(installed *unstructured.Unstructured) ([]string, error) {
	objects, err := shipped(crdFile)
	if err != nil {
		return nil, err
	}
	want, have := fieldsOf(&objects[0]), fieldsOf(installed)
	var missing []string
	for _, field := range want {
		within := slices.ContainsFunc(missing, func(m string) bool { return strings.HasPrefix(field, m+".") })
		if !within && !slices.Contains(have, field) {
			missing = append(missing, field)
		}
	}
	return missing, nil
}

// fieldsOf returns the paths of the fields of version v1, and its subresources.
func fieldsOf(crd *unstructured.Unstructured) (paths []string) {
	versions, _, _ := unstructured.NestedSlice(crd.Object, "spec", "versions")
	for _, v := range versions {
		version, _ := v.(map[string]any)
		if version["name"] != "v1" {
			continue
		}
		schema, _, _ := unstructured.NestedMap(version, "schema", "openAPIV3Schema")
		paths = properties(schema, "")
		subresources, _, _ := unstructured.NestedMap(version, "subresources")
		for name := range subresources {
			paths = append(paths, fmt.Sprintf("the subresource %s", name))
		}
	}
	slices.Sort(paths)
	return paths
}

func properties(schema map[string]any, prefix string) (paths []string) {
	if items, is := schema["items"].(map[string]any); is {
		return properties(items, prefix)
	}
	fields, _ := schema["properties"].(map[string]any)
	for name, field := range fields {
		paths = append(paths, prefix+name)
		if nested, is := field.(map[string]any); is {
			paths = append(paths, properties(nested, prefix+name+".")...)
		}
	}
	return paths
}

package crd

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// MissingFields returns the fields of the shipped version v1 that an installed
// CustomResourceDefinition lacks. The API server drops what is written to those.
func MissingFields(installed *unstructured.Unstructured) ([]string, error) {
	ours, err := Shipped()
	if err != nil {
		return nil, err
	}
	want, have := fieldsOf(ours), fieldsOf(installed)
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

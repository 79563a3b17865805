package convert

import (
	"fmt"

	"sigs.k8s.io/kustomize/kyaml/yaml"

	"kube-aws-iam-controller/internal/cli/migrate/manifest"
)

// array reports which objects in a document that is an array are not understood:
// kubectl reads no arrays, so nothing else would. Strings and numbers are not objects.
func (c *converter) array(doc *manifest.Document) {
	if doc.Root == nil || doc.Root.Kind != yaml.SequenceNode || isJSONPatch(doc.Root) {
		return
	}
	for item := range manifest.Items(doc.Root) {
		if item.Kind != yaml.MappingNode || isAssociation(item) || len(associationsIn(item)) > 0 {
			continue
		}
		what, remedy := "no association of EKS Pod Identity, and an array may have nothing else", "take it out, or give it in a file of its own"
		if kind := manifest.String(item, "kind"); kind != "" && manifest.String(item, "apiVersion") != "" {
			what = fmt.Sprintf("a %s, which kubectl does not take from an array either", kind)
			remedy = "make the array the items of a List, with apiVersion: v1 and kind: List"
		}
		c.result.Findings = append(c.result.Findings, Finding{
			File: doc.File.Name, Line: doc.LineOf(item), Open: true,
			Message: "an item of the array is not read, because it is " + what + ": " + remedy,
		})
	}
}

// isJSONPatch reports whether an array is a patch of kustomize, which says nothing unless
// its text mentions a role.
func isJSONPatch(array *node) bool {
	for item := range manifest.Items(array) {
		if manifest.String(item, "op") == "" || manifest.At(item, "path") == nil {
			return false
		}
	}
	return true
}

package namespaces

import (
	"slices"
	"strings"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// maxUnknown is how many keys that are not known the cache keeps of one
// Namespace. The API server bounds how long each is.
const maxUnknown = 3

// unknownKeys returns keys with our prefix that are not read on Namespaces.
func unknownKeys(annotations map[string]string) (keys []string) {
	for key := range annotations {
		if strings.HasPrefix(key, api.Prefix) && key != api.AllowedRolesAnnotation && key != api.PermittedAnnotation && key != api.ManagedRolesAnnotation {
			keys = append(keys, strings.Clone(key))
		}
	}
	slices.Sort(keys)
	return keys[:min(len(keys), maxUnknown)]
}

// describeUnknown says what is wrong with keys that are not known. They permit and
// refuse nothing: a typing error may not take credentials from running pods.
func describeUnknown(keys []string) string {
	var all []string
	for _, key := range keys {
		remedy := "those that are read are " + api.AllowedRolesAnnotation + ", " + api.PermittedAnnotation + " and " + api.ManagedRolesAnnotation
		name := strings.TrimPrefix(key, api.Prefix)
		if nearest := identity.Nearest(name, []string{"allowed-roles", "permitted", "managed-roles"}); nearest != "" {
			remedy = "did you mean " + api.Prefix + nearest + "?"
		}
		all = append(all, "the annotation "+identity.Cut(key)+" is not known on a Namespace and restricts nothing: "+remedy)
	}
	return strings.Join(all, "; ")
}

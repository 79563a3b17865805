package namespaces

import (
	"slices"
	"strings"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// readAnnotations are the annotations read on Namespaces, readNames their names
// without our prefix.
var (
	readAnnotations = []string{api.AllowedRolesAnnotation, api.PermittedAnnotation, api.ManagedRolesAnnotation}
	readNames       = []string{
		strings.TrimPrefix(api.AllowedRolesAnnotation, api.Prefix),
		strings.TrimPrefix(api.PermittedAnnotation, api.Prefix),
		strings.TrimPrefix(api.ManagedRolesAnnotation, api.Prefix),
	}
)

// maxUnknown limits how many unknown keys of one Namespace are cached. The API
// server limits the length of each.
const maxUnknown = 3

// unknownKeys returns keys with our prefix that are not read on Namespaces.
func unknownKeys(annotations map[string]string) (keys []string) {
	for key := range annotations {
		if strings.HasPrefix(key, api.Prefix) && !slices.Contains(readAnnotations, key) {
			keys = append(keys, strings.Clone(key))
		}
	}
	slices.Sort(keys)
	return keys[:min(len(keys), maxUnknown)]
}

// describeUnknown returns what is wrong with unknown keys. They neither permit nor
// deny anything: a typing error must not take credentials from running pods.
func describeUnknown(keys []string) string {
	var all []string
	for _, key := range keys {
		remedy := "those that are read are " + api.AllowedRolesAnnotation + ", " + api.PermittedAnnotation + " and " + api.ManagedRolesAnnotation
		name := strings.TrimPrefix(key, api.Prefix)
		if nearest := identity.Nearest(name, readNames); nearest != "" {
			remedy = "did you mean " + api.Prefix + nearest + "?"
		}
		all = append(all, "the annotation "+identity.Cut(key)+" is not known on a Namespace and restricts nothing: "+remedy)
	}
	return strings.Join(all, "; ")
}

package secrets

import (
	"maps"
	"slices"
	"strings"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// operation is one operation of a JSON Patch,
// https://datatracker.ietf.org/doc/html/rfc6902.
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value,omitzero"`
}

func add(value any, path ...string) operation {
	return operation{Op: "add", Path: pointer(path), Value: value}
}

func remove(path ...string) operation { return operation{Op: "remove", Path: pointer(path)} }

// operations returns the patch that updates the observed Secret. Labels and
// annotations added by other clients are kept.
//
// The patch sets the resource version and the UID instead of testing them: the API
// server rejects a change with a conflict, whereas a failed test would be
// indistinguishable from any other invalid patch.
func operations(want identity.Desired, have *observation, data map[string][]byte, annotations map[string]string, whole bool) []operation {
	ops := []operation{
		add(have.ResourceVersion, "metadata", "resourceVersion"),
		add(have.UID, "metadata", "uid"),
		add([]any{ownerReference(want)}, "metadata", "ownerReferences"),
	}
	ops = append(ops, labelOperations(want, have)...)
	ops = append(ops, addAll(have.noAnnotations, annotations, "metadata", "annotations")...)
	for _, optional := range []struct {
		key     string
		present bool
	}{
		{api.RoleIDAnnotation, have.RoleID != ""},
		{api.RoleLastUsedAnnotation, have.RoleUsed.Known},
		{api.PolicyHashAnnotation, have.PolicyHash != ""},
		{api.ExternalIDProvenAnnotation, !have.Proven.IsZero()},
		{api.SessionPolicyAnnotation, have.SessionPolicy != ""},
	} {
		if _, has := annotations[optional.key]; optional.present && !has {
			ops = append(ops, remove("metadata", "annotations", optional.key))
		}
	}
	return append(ops, addAll(whole, data, "data")...)
}

// addAll returns operations that replace the whole map at path, or add the values
// one by one, sorted so that equal patches have equal bytes.
func addAll[V any](whole bool, values map[string]V, path ...string) []operation {
	if whole {
		return []operation{add(values, path...)}
	}
	ops := make([]operation, 0, len(values))
	for _, key := range slices.Sorted(maps.Keys(values)) {
		ops = append(ops, add(values[key], append(slices.Clone(path), key)...))
	}
	return ops
}

var escape = strings.NewReplacer("~", "~0", "/", "~1")

// pointer returns a JSON Pointer, https://datatracker.ietf.org/doc/html/rfc6901.
func pointer(path []string) string {
	var b strings.Builder
	for _, part := range path {
		b.WriteString("/" + escape.Replace(part))
	}
	return b.String()
}

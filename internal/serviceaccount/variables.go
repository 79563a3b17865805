package serviceaccount

import (
	"fmt"
	"slices"
	"strings"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// expandedAnnotations are those in which variables are expanded, and how many bytes the
// cache keeps of one that has any: as many as of the longest that is valid without.
var expandedAnnotations = map[string]int{
	api.RoleAnnotation:            1024,
	api.ManagedPoliciesAnnotation: maxTemplate,
	api.RolePolicyAnnotation:      maxTemplate,
	api.SessionPolicyAnnotation:   maxTemplate / 2,
}

const maxTemplate = 20_480

// policyAnnotations are the JSON documents among them.
var policyAnnotations = []string{api.RolePolicyAnnotation, api.SessionPolicyAnnotation}

// variables returns the values of variables in the annotations of a ServiceAccount. If
// its Region is malformed, there is none, and whoever reads that annotation says so.
func (c Config) variables(key identity.Key, annotations map[string]string, base func() (identity.BaseRole, error)) identity.Variables {
	region, has, _ := parseAnnotation(annotations, api.RegionAnnotation, identity.ParseRegion)
	if !has {
		region = c.DefaultRegion
	}
	return identity.Variables{
		Namespace: key.Namespace, ServiceAccount: key.Name,
		Cluster: c.ClusterName, Region: region, Unknown: c.SettingsUnknown, Base: base,
	}
}

// expanded returns a function that expands variables and reads the result.
func expanded[T any](vars identity.Variables, read func(string) (T, error)) func(string) (T, error) {
	return func(text string) (v T, err error) {
		if !identity.HasVariables(text) {
			return read(text)
		}
		value, err := vars.Expand(text)
		if err != nil {
			return v, err
		}
		if v, err = read(value); err != nil {
			err = fmt.Errorf("%w (written as %s)", err, identity.Quote(text))
		}
		return v, err
	}
}

// expandedPolicy is expanded for JSON documents.
func expandedPolicy(vars identity.Variables, read func(string) (string, error)) func(string) (string, error) {
	return func(text string) (string, error) {
		if !identity.HasVariables(text) {
			return read(text)
		}
		value, err := vars.ExpandPolicy(text)
		if err != nil {
			return "", err
		}
		return read(value)
	}
}

// hasVariables reports whether an annotation has variables to expand.
func hasVariables(key, value string) bool {
	_, is := expandedAnnotations[key]
	return is && identity.HasVariables(value)
}

// compactTemplate returns what the cache keeps of an annotation with variables. What
// they stand for may not be known yet and may change, so it is read only then.
func compactTemplate(key, value string) (string, error) {
	compact := strings.TrimSpace(value)
	if slices.Contains(policyAnnotations, key) {
		var err error
		if compact, err = identity.CompactTemplate(value); err != nil {
			return "", err
		}
	}
	if limit := expandedAnnotations[key]; len(compact) > limit {
		return "", fmt.Errorf("%s is too long: with variables in it, write at most %d bytes", identity.Quote(value), limit)
	}
	return compact, nil
}

// usedVariables returns the variables in annotations, each with its value.
func (c Config) usedVariables(key identity.Key, annotations map[string]string) [][2]string {
	var texts []string
	for name, value := range annotations {
		if hasVariables(name, value) {
			texts = append(texts, value)
		}
	}
	return c.variables(key, annotations, c.KnownBase).Used(texts...)
}

package serviceaccount

import (
	"errors"
	"fmt"
	"strings"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// maxMalformedValue is the length in bytes up to which a malformed value is kept.
// Nearly all valid values are shorter, too.
const maxMalformedValue = 512

// errorKeyPrefix and the key of an annotation form the key under which the parse
// error of a value is cached whose length exceeds maxMalformedValue. The space
// makes it an invalid annotation key, so that no user can set it.
const errorKeyPrefix = "problem: "

// limitAnnotation returns what the cache keeps of an annotation, as pairs, so that
// tenants cannot fill the controller's memory. A valid value is kept in its
// canonical form. A long malformed one is replaced by its parse error, which can
// only be computed from the whole value.
func limitAnnotation(key, value string) [][2]string {
	canonical, err := canonicalValue(key, value)
	switch {
	case err == nil:
		return [][2]string{{key, strings.Clone(canonical)}} // so that the long original can be freed
	case len(value) <= maxMalformedValue:
		return [][2]string{{key, value}}
	default:
		return [][2]string{{key, ""}, {errorKeyPrefix + key, err.Error()}}
	}
}

// canonicalValue returns the shortest value with the same meaning, or the parse
// error. Its length is bounded by the limits of each annotation.
func canonicalValue(key, value string) (string, error) {
	if hasVariables(key, value) {
		return compactTemplate(key, value)
	}
	switch key {
	case api.RolePolicyAnnotation:
		return identity.ParsePolicy(value)
	case api.SessionPolicyAnnotation:
		return identity.ParseSessionPolicy(value)
	case api.ManagedPoliciesAnnotation:
		all, err := identity.ParseManagedPolicies(value)
		return strings.Join(all, ","), err
	case api.SessionDurationAnnotation:
		d, err := identity.ParseSessionDuration(value)
		return d.String(), err
	case api.RoleAnnotation, api.IRSAAnnotation:
		role, err := identity.ReadRole(value)
		return role.String(), err
	case api.RoleARNAnnotation: // written by the controller and compared literally
		_, err := identity.ParseRole(value)
		return value, err
	case api.RegionAnnotation:
		return identity.ParseRegion(value)
	case api.DeliveryAnnotation:
		delivery, err := identity.ParseDelivery(value)
		return string(delivery), err
	case api.DeletionPolicyAnnotation:
		return identity.ParseDeletionPolicy(value)
	default:
		return "", errors.New("it is not read")
	}
}

// parseAnnotation parses an annotation and reports whether it is set.
func parseAnnotation[T any](annotations map[string]string, key string, read func(string) (T, error)) (v T, has bool, err error) {
	value, has := annotations[key]
	if !has {
		return v, false, nil
	}
	if problem, malformed := annotations[errorKeyPrefix+key]; malformed {
		return v, true, fmt.Errorf("%s: %s", key, problem)
	}
	if v, err = read(value); err != nil {
		err = fmt.Errorf("%s: %w", key, err)
	}
	return v, true, err
}

package serviceaccount

import (
	"errors"
	"fmt"
	"strings"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// longestNonsense is how long, in bytes, a value may be that is kept although it
// is not understood. Nearly all that are understood have less, too.
const maxMalformedValue = 512

// problem precedes the key of an annotation whose value is too long to be kept,
// for what is wrong with it. No annotation can have such a key.
const errorKeyPrefix = "problem: "

// bounded returns what the cache keeps of an annotation: a cache may not be
// filled by whoever annotates ServiceAccounts. A value that is understood is
// kept in its shortest form. Of a long one that is not, what is wrong with it is
// kept in its place, because that can only be told of the whole.
func limitAnnotation(key, value string) [][2]string {
	short, err := canonicalValue(key, value)
	switch {
	case err == nil:
		return [][2]string{{key, strings.Clone(short)}} // not a part of what is long
	case len(value) <= maxMalformedValue:
		return [][2]string{{key, value}}
	default:
		return [][2]string{{key, ""}, {errorKeyPrefix + key, err.Error()}}
	}
}

// shortest returns a value that means the same as one that is understood, of
// at most as many bytes as any that is.
func canonicalValue(key, value string) (string, error) {
	switch key {
	case api.RolePolicyAnnotation:
		return identity.ParsePolicy(value)
	case api.ManagedPoliciesAnnotation:
		all, err := identity.ParseManagedPolicies(value)
		return strings.Join(all, ","), err
	case api.SessionDurationAnnotation:
		d, err := identity.ParseSessionDuration(value)
		return d.String(), err
	case api.RoleAnnotation:
		role, err := identity.ReadRole(value)
		return role.String(), err
	case api.RoleARNAnnotation: // ours, and compared to the letter
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

// parse reads an annotation, if it is there.
func parseAnnotation[T any](annotations map[string]string, key string, read func(string) (T, error)) (v T, has bool, err error) {
	value, has := annotations[key]
	if !has {
		return v, false, nil
	}
	if says, bad := annotations[errorKeyPrefix+key]; bad {
		return v, true, fmt.Errorf("%s: %s", key, says)
	}
	if v, err = read(value); err != nil {
		err = fmt.Errorf("%s: %w", key, err)
	}
	return v, true, err
}

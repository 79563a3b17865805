package serviceaccount

import (
	"slices"
	"strings"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// The names of the annotations in which a typing error does harm: it can cost a role, or
// grant more than was meant.
var (
	deletionPolicyName = strings.TrimPrefix(api.DeletionPolicyAnnotation, api.Prefix)
	sessionPolicyName  = strings.TrimPrefix(api.SessionPolicyAnnotation, api.Prefix)
)

// looksLikeDeletionPolicy reports whether a key may have been meant to be
// deletion-policy. It errs on the side of yes, because a role deleted by mistake is
// lost.
func looksLikeDeletionPolicy(key string) bool {
	name := strings.ToLower(strings.TrimPrefix(key, api.Prefix))
	for _, part := range []string{"delet", "retain", "reclaim"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return isNearest(name, deletionPolicyName)
}

// looksLikeSessionPolicy reports whether a key may have been meant to be
// session-policy.
func looksLikeSessionPolicy(key string) bool {
	name := strings.ToLower(strings.TrimPrefix(key, api.Prefix))
	return strings.Contains(name, "session") && strings.Contains(name, "polic") || isNearest(name, sessionPolicyName)
}

// isNearest reports whether known is the annotation that name was most likely meant to
// be.
func isNearest(name, known string) bool {
	// There may be thousands of keys, so the length excludes most of them cheaply.
	return len(name) >= len(known)-4 && len(name) <= 2*len(known) &&
		identity.Nearest(name, []string{known}) == known && identity.Nearest(name, readNames) == known
}

// misspelled returns the unknown key that looksLike reports, "" for none. unknownKeys
// keeps it.
func (a *account) misspelled(looksLike func(key string) bool) string {
	if i := slices.IndexFunc(a.unknown, looksLike); i >= 0 {
		return a.unknown[i]
	}
	return ""
}

// isRefused reports whether a request with an unknown key is rejected by
// checkMisspelled.
func isRefused(annotations map[string]string, unknown string) bool {
	return requestsManagedRole(annotations) && looksLikeDeletionPolicy(unknown) ||
		requestsIdentity(annotations) && looksLikeSessionPolicy(unknown)
}

// checkMisspelled rejects a request while it is uncertain what its sessions may do at
// most, or what is to happen to its managed role when that is no longer requested.
func (a *account) checkMisspelled(want *identity.Desired) error {
	if key := a.misspelled(looksLikeSessionPolicy); key != "" {
		return misspelledError(key, api.SessionPolicyAnnotation, "until then no credentials are issued that it may be meant to limit, "+
			"and only what was last good is renewed")
	}
	if key := a.misspelled(looksLikeDeletionPolicy); key != "" && want.Managed != nil {
		return misspelledError(key, api.DeletionPolicyAnnotation, "until then no role is created or changed, and an existing one is not deleted")
	}
	return nil
}

func misspelledError(key, meant, until string) error {
	return &identity.InvalidError{
		Reason:  api.UnknownAnnotation,
		Message: "the annotation " + identity.Cut(key) + " is not known and may be a misspelling of " + meant + ": rename it, or remove it; " + until,
	}
}

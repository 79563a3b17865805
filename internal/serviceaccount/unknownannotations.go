package serviceaccount

import (
	"slices"
	"strings"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// irsaAnnotation is read by the webhook of EKS.
const irsaAnnotation = "eks.amazonaws.com/role-arn"

// maxUnknown is how many keys that are not known the cache keeps of one
// ServiceAccount. The API server bounds how long each is.
const maxUnknown = 3

// elsewhere says where keys with our prefix belong that are not read on
// ServiceAccounts.
var misplacedNames = map[string]string{
	"allowed-roles":   "it belongs on the Namespace",
	"permitted":       "it belongs on the Namespace",
	"skip-containers": "it belongs on the Pod",
	"inject":          "it belongs on the Pod, as a label",
	"refused":         "admission writes it on Pods, remove it here",
	"requests":        "admission writes it, as a label, remove it here",

	"source":             "the controller writes it on Secrets, remove it here",
	"expiration":         "the controller writes it on Secrets, remove it here",
	"external-id":        "the external ID follows from the namespace and the name of the cluster, remove it here",
	"external-id-proven": "the controller writes it on Secrets, remove it here",
	"spec-hash":          "the controller writes it on Secrets, remove it here",
	"role-id":            "the controller writes it on Secrets, remove it here",
}

// deletion is the name of the annotation that is the least forgiving.
const deletionPolicyName = "deletion-policy"

// asking and describing are the names, behind our prefix, of the annotations that
// ask for something, and of those that say how.
var (
	requestNames = []string{"role", "role-policy", "managed-policies"}
	optionNames  = []string{"session-duration", "region", "delivery", deletionPolicyName}
	readNames    = slices.Concat(requestNames, optionNames)
)

// unknownKeys returns keys that look as if they were ours and are not read, the
// ones that matter most first. Those of other tools are none of our business.
func unknownKeys(annotations map[string]string) []string {
	var first, others []string
	for key := range annotations {
		switch {
		case !strings.HasPrefix(key, api.Prefix), slices.Contains(readAnnotations, key):
		case looksLikeDeletionPolicy(key):
			first = append(first, key)
		default:
			others = append(others, key)
		}
	}
	if _, has := annotations[irsaAnnotation]; has && !requestsIdentity(annotations) {
		others = append(others, irsaAnnotation)
	}
	slices.Sort(first)
	slices.Sort(others)
	var keys []string
	for _, key := range append(first, others...) {
		if len(keys) < maxUnknown {
			keys = append(keys, strings.Clone(key))
		}
	}
	return keys
}

// looksLikeDeletionPolicy says whether somebody may have meant a key to say what
// becomes of a role. It is generous: a role that is deleted by mistake is gone.
func looksLikeDeletionPolicy(key string) bool {
	name := strings.ToLower(strings.TrimPrefix(key, api.Prefix))
	for _, part := range []string{"delet", "retain", "reclaim"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	// There may be thousands of keys, so those that are not like it at first
	// sight are not looked at twice.
	const least, most = len(deletionPolicyName) - 4, 2 * len(deletionPolicyName)
	return len(name) >= least && len(name) <= most &&
		identity.Nearest(name, []string{deletionPolicyName}) == deletionPolicyName && identity.Nearest(name, readNames) == deletionPolicyName
}

// misspeltDeletionPolicy returns the key that may be meant to be deletion-policy,
// "" if there is none.
func (a *account) misspelledDeletionPolicy() string {
	if len(a.unknown) > 0 && looksLikeDeletionPolicy(a.unknown[0]) {
		return a.unknown[0]
	}
	return ""
}

// checkDeletionPolicy refuses to make or change a role of which it is not certain
// what is to become of it.
func (a *account) checkDeletionPolicy(want *identity.Desired) error {
	key := a.misspelledDeletionPolicy()
	if key == "" || want.Managed == nil {
		return nil
	}
	return &identity.InvalidError{
		Reason: api.UnknownAnnotation,
		Message: "the annotation " + identity.Cut(key) + " is not known and may be a misspelt " + api.DeletionPolicyAnnotation + ": rename it, or remove it; " +
			"until then no role is created or changed, and an existing one is not deleted",
	}
}

// Warning returns what the author of a ServiceAccount should know beside what
// Desired returns: annotations that look as if they did something, and do not.
func (s *Source) Warning(key identity.Key) identity.Warning {
	a := s.cached(key)
	if a == nil || a.deleting {
		return identity.Warning{}
	}
	asked := a.annotationMap()
	warning := identity.Warning{UID: a.uid, Reason: api.UnknownAnnotation, Asks: requestsIdentity(asked)}
	var all []string
	for _, unknown := range a.unknown {
		if unknown == irsaAnnotation && s.config.IRSAServed {
			continue
		}
		if !requestsManagedRole(asked) || !looksLikeDeletionPolicy(unknown) { // of which checkDeletionPolicy speaks
			all = append(all, describeUnknown(unknown))
		}
	}
	if !warning.Asks {
		all = append(all, describeIneffective(asked)...)
	}
	warning.Message = strings.Join(all, "; ")
	return warning
}

// describe says what is wrong with a key that is not known.
func describeUnknown(key string) string {
	name, ours := strings.CutPrefix(key, api.Prefix)
	if !ours {
		return "the annotation " + key + " is not read by this controller: to get credentials, give the role in " + api.RoleAnnotation
	}
	if where, is := misplacedNames[name]; is {
		return "the annotation " + key + " has no effect on a ServiceAccount: " + where
	}
	nearest := identity.Nearest(name, readNames)
	if looksLikeDeletionPolicy(key) {
		nearest = deletionPolicyName
	}
	remedy := "those that are read are " + strings.Join(readNames, ", ")
	if nearest != "" {
		remedy = "did you mean " + api.Prefix + nearest + "?"
	}
	return "the annotation " + identity.Cut(key) + " is not known and has no effect: " + remedy
}

// alone says what is missing where nothing is asked for. A deletion policy may
// well outlive what it was for.
func describeIneffective(annotations map[string]string) []string {
	var all, keys []string
	for _, name := range optionNames {
		if _, has := annotations[api.Prefix+name]; has && api.Prefix+name != api.DeletionPolicyAnnotation {
			keys = append(keys, api.Prefix+name)
		}
	}
	if len(keys) > 0 {
		all = append(all, "nothing asks for a role, so "+strings.Join(keys, ", ")+" has no effect: add "+
			api.RoleAnnotation+", "+api.RolePolicyAnnotation+" or "+api.ManagedPoliciesAnnotation)
	}
	if _, has := annotations[api.RoleARNAnnotation]; has {
		all = append(all, "the annotation "+api.RoleARNAnnotation+" is written by the controller and asks for nothing: to use that role, give it in "+api.RoleAnnotation)
	}
	return all
}

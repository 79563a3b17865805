package serviceaccount

import (
	"slices"
	"strings"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// maxUnknown limits how many unknown keys of one ServiceAccount are cached. The API
// server limits the length of each.
const maxUnknown = 3

// misplaced are keys with our prefix that are not read on ServiceAccounts, and what
// to do about each.
var misplaced = map[string]string{
	api.AllowedRolesAnnotation:   "it belongs on the Namespace",
	api.PermittedAnnotation:      "it belongs on the Namespace",
	api.SkipContainersAnnotation: "it belongs on the Pod",
	api.InjectLabel:              "it belongs on the Pod, as a label",
	api.RefusedAnnotation:        "admission writes it on Pods, remove it here",
	api.RequestsLabel:            "admission writes it, as a label, remove it here",

	api.SourceLabel:                "the controller writes it on Secrets, remove it here",
	api.ExpirationAnnotation:       "the controller writes it on Secrets, remove it here",
	api.ExternalIDAnnotation:       "the external ID follows from the namespace and the name of the cluster, remove it here",
	api.ExternalIDProvenAnnotation: "the controller writes it on Secrets, remove it here",
	api.SpecHashAnnotation:         "the controller writes it on Secrets, remove it here",
	api.RoleIDAnnotation:           "the controller writes it on Secrets, remove it here",
}

// deletionPolicyName is deletion-policy. A typing error in it can cost a role.
var deletionPolicyName = strings.TrimPrefix(api.DeletionPolicyAnnotation, api.Prefix)

// requestNames and optionNames are the names, without our prefix, of the annotations
// that request an identity and of those that configure it.
var (
	requestNames = names(requestAnnotations)
	optionNames  = names(optionAnnotations)
	readNames    = slices.Concat(requestNames, optionNames)
)

func names(keys []string) []string {
	names := make([]string, 0, len(keys))
	for _, key := range keys {
		names = append(names, strings.TrimPrefix(key, api.Prefix))
	}
	return names
}

// unknownKeys returns keys that look like ours but are not read, those resembling
// deletion-policy first. Keys of other tools are ignored.
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
	if _, has := annotations[api.IRSAAnnotation]; has && !requestsIdentity(annotations) {
		others = append(others, api.IRSAAnnotation)
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
	// There may be thousands of keys, so the length excludes most of them cheaply.
	least, most := len(deletionPolicyName)-4, 2*len(deletionPolicyName)
	return len(name) >= least && len(name) <= most &&
		identity.Nearest(name, []string{deletionPolicyName}) == deletionPolicyName && identity.Nearest(name, readNames) == deletionPolicyName
}

// misspelledDeletionPolicy returns the key that may have been meant to be
// deletion-policy, "" for none. unknownKeys sorts such keys first.
func (a *account) misspelledDeletionPolicy() string {
	if len(a.unknown) > 0 && looksLikeDeletionPolicy(a.unknown[0]) {
		return a.unknown[0]
	}
	return ""
}

// checkDeletionPolicy rejects a request for a managed role while it is uncertain
// what is to happen to the role when it is no longer requested.
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

// Warning returns problems that do not prevent the identity from being served:
// annotations that look effective and are not.
func (s *Source) Warning(key identity.Key) identity.Warning { return s.config.warning(s.cached(key)) }

func (c Config) warning(a *account) identity.Warning {
	if a == nil || a.deleting {
		return identity.Warning{}
	}
	asked := a.annotationMap()
	warning := identity.Warning{UID: a.uid, Reason: api.UnknownAnnotation, Asks: requestsIdentity(asked)}
	var all []string
	for _, unknown := range a.unknown {
		if unknown == api.IRSAAnnotation && c.IRSAServed {
			continue
		}
		if !requestsManagedRole(asked) || !looksLikeDeletionPolicy(unknown) { // otherwise checkDeletionPolicy reports it
			all = append(all, describeUnknown(unknown))
		}
	}
	if !warning.Asks {
		all = append(all, describeIneffective(asked)...)
	}
	warning.Message = strings.Join(all, "; ")
	return warning
}

// describeUnknown returns what is wrong with an unknown key, and the remedy.
func describeUnknown(key string) string {
	name, ours := strings.CutPrefix(key, api.Prefix)
	if !ours {
		return "the annotation " + key + " is not read by this controller: to get credentials, give the role in " + api.RoleAnnotation
	}
	if remedy, is := misplaced[key]; is {
		return "the annotation " + key + " has no effect on a ServiceAccount: " + remedy
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

// describeIneffective returns what is wrong with annotations that have no effect
// because nothing requests an identity. A lone deletion-policy is accepted: it may
// well outlive the request that it was written for.
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

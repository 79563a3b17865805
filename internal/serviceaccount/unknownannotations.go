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
	api.RoleLastUsedAnnotation:     "the controller writes it on Secrets, remove it here",
	api.PolicyHashAnnotation:       "the controller writes it on Secrets, remove it here",
}

// requestNames and optionNames are the names, without our prefix, of our annotations
// that request an identity and of those that configure it.
var (
	requestNames = names(ownRequests)
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

// unknownKeys returns keys that look like ours but are not read. One that resembles
// session-policy and one that resembles deletion-policy come first, so that no others
// displace them. Keys of other tools are ignored.
func (r Annotations) unknownKeys(annotations map[string]string) []string {
	var all []string
	for key := range annotations {
		if strings.HasPrefix(key, api.Prefix) && !slices.Contains(readAnnotations, key) {
			all = append(all, key)
		}
	}
	slices.Sort(all)
	for _, looksLike := range []func(string) bool{looksLikeDeletionPolicy, looksLikeSessionPolicy} {
		if i := slices.IndexFunc(all, looksLike); i > 0 {
			key := all[i]
			all = slices.Insert(slices.Delete(all, i, i+1), 0, key)
		}
	}
	all = append(all, r.ineffectiveIRSA(annotations)...)
	var keys []string
	for _, key := range all[:min(len(all), maxUnknown)] {
		keys = append(keys, strings.Clone(key))
	}
	return keys
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
		if !isRefused(asked, unknown) { // otherwise Desired reports it
			all = append(all, c.describeUnknown(unknown, asked))
		}
	}
	if !warning.Asks {
		all = append(all, describeIneffective(asked)...)
	}
	warning.Message = strings.Join(all, "; ")
	return warning
}

// describeUnknown returns what is wrong with an unknown key, and the remedy.
func (c Config) describeUnknown(key string, asked map[string]string) string {
	name, ours := strings.CutPrefix(key, api.Prefix)
	if !ours {
		return c.Annotations.describeIRSA(key, asked)
	}
	if remedy, is := misplaced[key]; is {
		return "the annotation " + key + " has no effect on a ServiceAccount: " + remedy
	}
	nearest := identity.Nearest(name, readNames)
	switch {
	case looksLikeSessionPolicy(key):
		nearest = sessionPolicyName
	case looksLikeDeletionPolicy(key):
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

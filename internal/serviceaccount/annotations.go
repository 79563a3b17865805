package serviceaccount

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// ownRequests and api.IRSAAnnotation request an identity, optionAnnotations configure it.
// They are read on ServiceAccounts only: on Pods the same keys belong to other tools. A
// key of requestAnnotations stands in the admission policy as well, which skips
// ServiceAccounts that request nothing: see manifests/components/admission-policy.
var (
	managedRequests    = []string{api.RolePolicyAnnotation, api.ManagedPoliciesAnnotation}
	ownRequests        = append([]string{api.RoleAnnotation}, managedRequests...)
	requestAnnotations = append(slices.Clip(ownRequests), api.IRSAAnnotation)
	optionAnnotations  = []string{
		api.SessionDurationAnnotation, api.SessionPolicyAnnotation, api.RegionAnnotation, api.DeliveryAnnotation, api.DeletionPolicyAnnotation,
	}
	// readAnnotations also have the one that the controller writes.
	readAnnotations = slices.Concat(requestAnnotations, optionAnnotations, []string{api.RoleARNAnnotation})
)

// requestsIdentity reports whether annotations, as Annotations.effective returns them,
// request an identity. The other annotations only configure it.
func requestsIdentity(annotations map[string]string) bool {
	return hasAny(annotations, requestAnnotations)
}

func hasAny(annotations map[string]string, keys []string) bool {
	return slices.ContainsFunc(keys, func(key string) bool { _, has := annotations[key]; return has })
}

// requestsManagedRole reports whether annotations request a managed role.
func requestsManagedRole(annotations map[string]string) bool {
	return hasAny(annotations, managedRequests)
}

// parseAnnotations sets in want what annotations request. The error is an
// *identity.InvalidError that lists all problems, or, where there are none, an
// *identity.StepError about the value of a variable that is not known yet.
func parseAnnotations(annotations map[string]string, vars identity.Variables, want *identity.Desired) error {
	return invalidAnnotations(
		parseRequest(annotations, vars, want),
		parseSessionDuration(annotations, want),
		parseSessionPolicy(annotations, vars, want),
		parseInjection(annotations, &identity.Injection{}),
		checkDeletionPolicyValue(annotations),
	)
}

// invalidAnnotations returns problems as one error, nil for none: those that only a
// change of the annotations resolves, otherwise one that is temporary.
func invalidAnnotations(problems ...error) error {
	var lasting []error
	var temporary error
	for _, problem := range problems {
		if errors.Is(problem, identity.ErrValueUnknown) {
			temporary = &identity.StepError{
				Reason: api.GetCredentialsFailed, Message: "Failed to get credentials: " + problem.Error(), Err: problem,
			}
			continue
		}
		lasting = append(lasting, problem)
	}
	all := errors.Join(lasting...)
	if all == nil {
		return temporary
	}
	return &identity.InvalidError{
		Reason:  api.InvalidAnnotation,
		Message: strings.ReplaceAll(all.Error(), "\n", "; "),
	}
}

// parseRequest sets which role is requested.
func parseRequest(annotations map[string]string, vars identity.Variables, want *identity.Desired) error {
	for _, key := range []string{api.RoleAnnotation, api.IRSAAnnotation} {
		if _, has := annotations[key]; has {
			return parseRole(annotations, key, vars, want)
		}
	}
	return parseManagedRole(annotations, vars, want)
}

// parseRole sets the existing role that the annotation key names.
func parseRole(annotations map[string]string, key string, vars identity.Variables, want *identity.Desired) (err error) {
	for _, other := range managedRequests {
		if _, has := annotations[other]; has {
			return fmt.Errorf("%s and %s cannot be combined, because an existing role is not changed: remove one of them", key, other)
		}
	}
	if key == api.IRSAAnnotation {
		return parseIRSARole(annotations, want)
	}
	want.Role, _, err = parseAnnotation(annotations, key, expanded(vars, identity.ReadRole))
	return err
}

// parseManagedRole sets the specification of the managed role.
func parseManagedRole(annotations map[string]string, vars identity.Variables, want *identity.Desired) (err error) {
	managed := &identity.ManagedRole{}
	if managed.Policy, _, err = parseAnnotation(annotations, api.RolePolicyAnnotation, expandedPolicy(vars, identity.ParsePolicy)); err != nil {
		return err
	}
	if managed.ManagedPolicies, _, err = parseAnnotation(annotations, api.ManagedPoliciesAnnotation, expanded(vars, identity.ParseManagedPolicies)); err != nil {
		return err
	}
	want.Managed = managed
	return nil
}

// parseSessionDuration sets how long a session lasts.
func parseSessionDuration(annotations map[string]string, want *identity.Desired) error {
	session, has, err := parseAnnotation(annotations, api.SessionDurationAnnotation, identity.ParseSessionDuration)
	if want.SessionDuration = session; !has {
		want.SessionDuration = identity.DefaultSession
	}
	return err
}

// parseSessionPolicy sets what a session may do at most.
func parseSessionPolicy(annotations map[string]string, vars identity.Variables, want *identity.Desired) (err error) {
	want.SessionPolicy, _, err = parseAnnotation(annotations, api.SessionPolicyAnnotation, expandedPolicy(vars, identity.ParseSessionPolicy))
	return err
}

// parseInjection sets in give what the annotations say about the pods.
func parseInjection(annotations map[string]string, give *identity.Injection) error {
	delivery, has, err := parseAnnotation(annotations, api.DeliveryAnnotation, identity.ParseDelivery)
	if give.Delivery = delivery; !has {
		give.Delivery = identity.DeliverProcess
	}
	region, _, regionErr := parseAnnotation(annotations, api.RegionAnnotation, identity.ParseRegion)
	give.Region = region
	return errors.Join(err, regionErr)
}

func checkDeletionPolicyValue(annotations map[string]string) error {
	_, _, err := parseAnnotation(annotations, api.DeletionPolicyAnnotation, identity.ParseDeletionPolicy)
	return err
}

package serviceaccount

import (
	"errors"
	"fmt"
	"strings"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// Annotations read on ServiceAccounts. On Pods the same keys belong to other
// tools and are never read.
const ()

var readAnnotations = []string{
	api.RoleAnnotation, api.RolePolicyAnnotation, api.ManagedPoliciesAnnotation, api.SessionDurationAnnotation,
	api.RegionAnnotation, api.DeliveryAnnotation, api.DeletionPolicyAnnotation, api.RoleARNAnnotation,
}

// asks says whether annotations ask for an identity at all. The others only
// say how.
func requestsIdentity(annotations map[string]string) bool {
	_, has := annotations[api.RoleAnnotation]
	return has || requestsManagedRole(annotations)
}

// asksForOwn says whether they ask for a role of one's own.
func requestsManagedRole(annotations map[string]string) bool {
	_, policy := annotations[api.RolePolicyAnnotation]
	_, managed := annotations[api.ManagedPoliciesAnnotation]
	return policy || managed
}

// read fills in what the annotations ask for.
func parseAnnotations(annotations map[string]string, want *identity.Desired) error {
	which := parseRole
	if _, has := annotations[api.RoleAnnotation]; !has {
		which = parseManagedRole
	}
	problems := errors.Join(
		which(annotations, want),
		parseSessionDuration(annotations, want),
		parseInjection(annotations, &identity.Injection{}),
		checkDeletionPolicyValue(annotations),
	)
	return invalidAnnotations(problems)
}

// invalid returns problems as what only the author of the annotations can mend.
func invalidAnnotations(problems error) error {
	if problems == nil {
		return nil
	}
	return &identity.InvalidError{
		Reason:  api.InvalidAnnotation,
		Message: strings.ReplaceAll(problems.Error(), "\n", "; "),
	}
}

func parseRole(annotations map[string]string, want *identity.Desired) (err error) {
	for _, key := range []string{api.RolePolicyAnnotation, api.ManagedPoliciesAnnotation} {
		if _, has := annotations[key]; has {
			return fmt.Errorf("%s and %s cannot be combined, because an existing role is not changed: remove one of them", api.RoleAnnotation, key)
		}
	}
	want.Role, _, err = parseAnnotation(annotations, api.RoleAnnotation, identity.ReadRole)
	return err
}

// readOwn reads what a role of the ServiceAccount's own is to be like.
func parseManagedRole(annotations map[string]string, want *identity.Desired) (err error) {
	own := &identity.ManagedRole{}
	if own.Policy, _, err = parseAnnotation(annotations, api.RolePolicyAnnotation, identity.ParsePolicy); err != nil {
		return err
	}
	if own.ManagedPolicies, _, err = parseAnnotation(annotations, api.ManagedPoliciesAnnotation, identity.ParseManagedPolicies); err != nil {
		return err
	}
	want.Managed = own
	return nil
}

func parseSessionDuration(annotations map[string]string, want *identity.Desired) error {
	session, has, err := parseAnnotation(annotations, api.SessionDurationAnnotation, identity.ParseSessionDuration)
	if want.SessionDuration = session; !has {
		want.SessionDuration = identity.DefaultSession
	}
	return err
}

// readInjection fills in what the annotations say of the account's pods.
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

package serviceaccount

import (
	"errors"
	"fmt"
	"strings"

	"kube-aws-iam-controller/internal/identity"
)

// Annotations read on ServiceAccounts. On Pods the same keys belong to other
// tools and are never read.
const (
	roleAnnotation            = identity.Prefix + "role"
	rolePolicyAnnotation      = identity.Prefix + "role-policy"
	managedPoliciesAnnotation = identity.Prefix + "managed-policies"
	sessionAnnotation         = identity.Prefix + "session-duration"
	regionAnnotation          = identity.Prefix + "region"
	deliveryAnnotation        = identity.Prefix + "delivery"
	deletionPolicyAnnotation  = identity.Prefix + "deletion-policy"

	// roleARNAnnotation is what we write back.
	roleARNAnnotation = identity.Prefix + "role-arn"
)

var readAnnotations = []string{
	roleAnnotation, rolePolicyAnnotation, managedPoliciesAnnotation, sessionAnnotation,
	regionAnnotation, deliveryAnnotation, deletionPolicyAnnotation, roleARNAnnotation,
}

// asks says whether annotations ask for an identity at all. The others only
// say how.
func asks(annotations map[string]string) bool {
	_, has := annotations[roleAnnotation]
	return has || asksForOwn(annotations)
}

// asksForOwn says whether they ask for a role of one's own.
func asksForOwn(annotations map[string]string) bool {
	_, policy := annotations[rolePolicyAnnotation]
	_, managed := annotations[managedPoliciesAnnotation]
	return policy || managed
}

// read fills in what the annotations ask for.
func read(annotations map[string]string, want *identity.Desired) error {
	which := readRole
	if _, has := annotations[roleAnnotation]; !has {
		which = readOwn
	}
	problems := errors.Join(
		which(annotations, want),
		readSession(annotations, want),
		readInjection(annotations, &identity.Injection{}),
		readDeletionPolicy(annotations),
	)
	return invalid(problems)
}

// invalid returns problems as what only the author of the annotations can mend.
func invalid(problems error) error {
	if problems == nil {
		return nil
	}
	return &identity.InvalidError{
		Reason:  identity.InvalidAnnotation,
		Message: strings.ReplaceAll(problems.Error(), "\n", "; "),
	}
}

func readRole(annotations map[string]string, want *identity.Desired) (err error) {
	for _, key := range []string{rolePolicyAnnotation, managedPoliciesAnnotation} {
		if _, has := annotations[key]; has {
			return fmt.Errorf("%s and %s exclude each other: an existing role is not changed, remove one of them", roleAnnotation, key)
		}
	}
	if want.Role, err = identity.ParseRole(annotations[roleAnnotation]); err != nil {
		return fmt.Errorf("%s: %w", roleAnnotation, err)
	}
	return nil
}

// readOwn reads what a role of the ServiceAccount's own is to be like.
func readOwn(annotations map[string]string, want *identity.Desired) (err error) {
	own := &identity.OwnRole{}
	if text, has := annotations[rolePolicyAnnotation]; has {
		if own.Policy, err = identity.ParsePolicy(text); err != nil {
			return fmt.Errorf("%s: %w", rolePolicyAnnotation, err)
		}
	}
	if text, has := annotations[managedPoliciesAnnotation]; has {
		if own.ManagedPolicies, err = identity.ParseManagedPolicies(text); err != nil {
			return fmt.Errorf("%s: %w", managedPoliciesAnnotation, err)
		}
	}
	want.Own = own
	return nil
}

func readSession(annotations map[string]string, want *identity.Desired) (err error) {
	want.SessionDuration = identity.DefaultSession
	value, has := annotations[sessionAnnotation]
	if !has {
		return nil
	}
	if want.SessionDuration, err = identity.ParseSession(value); err != nil {
		return fmt.Errorf("%s: %w", sessionAnnotation, err)
	}
	return nil
}

// readInjection fills in what the annotations say of the account's pods.
func readInjection(annotations map[string]string, give *identity.Injection) error {
	var problems [2]error
	give.Delivery = identity.DeliverProcess
	if value, has := annotations[deliveryAnnotation]; has {
		if give.Delivery, problems[0] = identity.ParseDelivery(value); problems[0] != nil {
			problems[0] = fmt.Errorf("%s: %w", deliveryAnnotation, problems[0])
		}
	}
	if value, has := annotations[regionAnnotation]; has {
		if give.Region, problems[1] = identity.ParseRegion(value); problems[1] != nil {
			problems[1] = fmt.Errorf("%s: %w", regionAnnotation, problems[1])
		}
	}
	return errors.Join(problems[:]...)
}

func readDeletionPolicy(annotations map[string]string) error {
	value, has := annotations[deletionPolicyAnnotation]
	if !has {
		return nil
	}
	if err := identity.OneOf(value, "Delete", "Retain"); err != nil {
		return fmt.Errorf("%s: %w", deletionPolicyAnnotation, err)
	}
	return nil
}

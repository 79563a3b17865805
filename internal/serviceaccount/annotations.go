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
			return fmt.Errorf("%s and %s cannot be combined, because an existing role is not changed: remove one of them", roleAnnotation, key)
		}
	}
	want.Role, _, err = parse(annotations, roleAnnotation, identity.ReadRole)
	return err
}

// readOwn reads what a role of the ServiceAccount's own is to be like.
func readOwn(annotations map[string]string, want *identity.Desired) (err error) {
	own := &identity.OwnRole{}
	if own.Policy, _, err = parse(annotations, rolePolicyAnnotation, identity.ParsePolicy); err != nil {
		return err
	}
	if own.ManagedPolicies, _, err = parse(annotations, managedPoliciesAnnotation, identity.ParseManagedPolicies); err != nil {
		return err
	}
	want.Own = own
	return nil
}

func readSession(annotations map[string]string, want *identity.Desired) error {
	session, has, err := parse(annotations, sessionAnnotation, identity.ParseSession)
	if want.SessionDuration = session; !has {
		want.SessionDuration = identity.DefaultSession
	}
	return err
}

// readInjection fills in what the annotations say of the account's pods.
func readInjection(annotations map[string]string, give *identity.Injection) error {
	delivery, has, err := parse(annotations, deliveryAnnotation, identity.ParseDelivery)
	if give.Delivery = delivery; !has {
		give.Delivery = identity.DeliverProcess
	}
	region, _, regionErr := parse(annotations, regionAnnotation, identity.ParseRegion)
	give.Region = region
	return errors.Join(err, regionErr)
}

func readDeletionPolicy(annotations map[string]string) error {
	_, _, err := parse(annotations, deletionPolicyAnnotation, identity.ParseDeletionPolicy)
	return err
}

package serviceaccount

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
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

// region has the form of all AWS Regions' names, those of other partitions
// (us-gov-west-1, us-isob-east-1, eusc-de-east-1) included. Only the SDKs know
// which ones there are.
var region = regexp.MustCompile(`^[a-z]{2,8}(?:-[a-z]{2,10}){1,3}-[0-9]{1,2}$`)

// read fills in what the annotations ask for.
func read(annotations map[string]string, want *identity.Desired) error {
	which := readRole
	if _, has := annotations[roleAnnotation]; !has {
		which = readOwn
	}
	problems := errors.Join(
		which(annotations, want),
		readSession(annotations, want),
		matches(annotations, regionAnnotation, region, "give an AWS Region such as eu-central-1"),
		oneOf(annotations, deliveryAnnotation, "process", "endpoint", "file", "none"),
		oneOf(annotations, deletionPolicyAnnotation, "Delete", "Retain"),
	)
	if problems != nil {
		return &identity.InvalidError{
			Reason:  identity.InvalidAnnotation,
			Message: strings.ReplaceAll(problems.Error(), "\n", "; "),
		}
	}
	return nil
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

func matches(annotations map[string]string, key string, pattern *regexp.Regexp, remedy string) error {
	if value, has := annotations[key]; has && !pattern.MatchString(value) {
		return fmt.Errorf("%s: %s is not understood: %s", key, identity.Quote(value), remedy)
	}
	return nil
}

func oneOf(annotations map[string]string, key string, values ...string) error {
	if value, has := annotations[key]; has && !slices.Contains(values, value) {
		return fmt.Errorf("%s: %s is not understood: give one of %s", key, identity.Quote(value), strings.Join(values, ", "))
	}
	return nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/iam"

	"kube-aws-iam-controller/test/kit"
)

// byHand is the name of the policy that somebody adds to a managed role.
const byHand = "by-hand"

// readerRole is the name of the managed role of the ServiceAccount reader.
func (d *demo) readerRole(ctx context.Context) (string, error) {
	roles, err := d.managedRoles(ctx)
	for i := range roles {
		if strings.HasPrefix(*roles[i].RoleName, namespace+".reader-") {
			return *roles[i].RoleName, nil
		}
	}
	return "", errors.Join(errors.New("there is no managed role of the ServiceAccount reader"), err)
}

func (d *demo) changePolicy(ctx context.Context) (string, error) {
	const policy = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sqs:SendMessage","Resource":"*"}}`
	if err := d.annotate(ctx, "reader", "role-policy="+policy); err != nil {
		return "", err
	}
	if err := d.awaitEvent(ctx, namespace, "reader", "RoleUpdated"); err != nil {
		return "", err
	}
	role, err := d.readerRole(ctx)
	if err != nil {
		return "", err
	}
	admin, err := d.aws.Admin()
	if err != nil {
		return "", err
	}
	if err = d.say.await(ctx, "the new policy in IAM", func(ctx context.Context) error {
		out, failed := admin.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: &role, PolicyName: new("kube-aws-iam-controller")})
		if failed == nil && !strings.Contains(*out.PolicyDocument, "SendMessage") {
			failed = fmt.Errorf("the role %s still has the policy of before", role)
		}
		return failed
	}); err != nil {
		return "", err
	}
	d.say.note("the role %s has the new policy", role)
	return "IAM has the new policy; the event RoleUpdated says so", nil
}

// tamper changes the role without the controller. It takes a while until that is seen.
func (d *demo) tamper(ctx context.Context) (string, error) {
	role, err := d.readerRole(ctx)
	if err != nil {
		return "", err
	}
	admin, err := d.aws.Admin()
	if err != nil {
		return "", err
	}
	_, err = admin.PutRolePolicy(ctx, &iam.PutRolePolicyInput{
		RoleName: &role, PolicyName: new(byHand),
		PolicyDocument: new(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}`),
	})
	d.say.note("the role %s has the policy %q besides", role, byHand)
	d.say.note("roles are looked at every %s here, every hour by default; what is seen twice, 20 s apart, is corrected", driftInterval)
	return "", err
}

func (d *demo) awaitCorrection(ctx context.Context) (string, error) {
	if err := d.awaitEvent(ctx, namespace, "reader", "RoleDriftCorrected"); err != nil {
		return "", err
	}
	role, err := d.readerRole(ctx)
	if err != nil {
		return "", err
	}
	admin, err := d.aws.Admin()
	if err != nil {
		return "", err
	}
	if err = d.say.await(ctx, "the end of the policy "+byHand, func(ctx context.Context) error {
		out, failed := admin.ListRolePolicies(ctx, &iam.ListRolePoliciesInput{RoleName: &role})
		if failed == nil && len(out.PolicyNames) != 1 {
			failed = fmt.Errorf("the role %s has the policies %v", role, out.PolicyNames)
		}
		return failed
	}); err != nil {
		return "", err
	}
	return "a policy added by hand is gone again; the event RoleDriftCorrected says so", nil
}

// searchLeaks looks for each key that AWS issued wherever it must not be.
func (d *demo) searchLeaks(ctx context.Context) (string, error) {
	places, err := kit.Leaks(ctx, d.Access, d.aws, d.log, d.controller)
	if err != nil {
		return "", err
	}
	if len(places) > 0 {
		return "", fmt.Errorf("credentials are in: %s", strings.Join(places, ", "))
	}
	if err := d.silent(); err != nil {
		return "", err
	}
	issued := len(d.aws.IssuedSecrets())
	if issued == 0 {
		return "", errors.New("AWS issued nothing to search for")
	}
	d.say.note("none of %d issued keys and tokens is in the log, an event, a metric, metadata or what this demo has printed", issued)
	return fmt.Sprintf("%d issued keys and tokens searched in log, events, metrics, metadata and this output", issued), nil
}

// silent makes sure that the demo itself has printed no credentials.
func (d *demo) silent() error {
	if slices.ContainsFunc(d.aws.IssuedSecrets(), d.say.hasSaid) {
		return errors.New("the demo has printed credentials")
	}
	return nil
}

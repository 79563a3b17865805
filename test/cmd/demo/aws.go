package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"kube-aws-iam-controller/internal/awssim"

	"kube-aws-iam-controller/test/kit"
)

// startAWS starts simulated AWS, in which the controller has the policy of examples/iam, with what the examples name.
func (d *demo) startAWS(ctx context.Context) (evidence string, err error) {
	if d.aws, err = kit.StartAWS(ctx, "/"); err != nil {
		return "", err
	}
	if err = d.aws.ServeCluster(ctx, clusterName); err != nil {
		return "", err
	}
	d.say.note("IAM and STS answer at %s; the controller is %s, with the policy of examples/iam", d.aws.URL(), d.aws.ControllerARN())
	return "", d.seedAWS()
}

// seedAWS makes the roles and policies of AWS that examples refer to.
func (d *demo) seedAWS() error {
	trust, err := readExample("trust-policy.json")
	if err != nil {
		return err
	}
	all, err := tenantExamples()
	if err != nil {
		return err
	}
	roles, policies := references(all)
	for _, role := range roles {
		arn, err := d.aws.AddRole(awssim.RoleSpec{Account: kit.AccountID, Name: role, Trust: trust})
		if err != nil {
			return err
		}
		d.say.note("%s, with the trust policy of examples/trust-policy.json", arn)
	}
	for _, policy := range policies {
		if _, err := d.aws.AddManagedPolicy("aws", "/", policy, readAll); err != nil {
			return err
		}
	}
	return nil
}

// readAll stands for what policies of AWS allow.
const readAll = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["s3:Get*","dynamodb:Get*"],"Resource":"*"}}`

// references returns the names of existing roles, and of AWS's managed policies, that examples ask for.
func references(all []example) (roles, policies []string) {
	for _, e := range all {
		for i := range e.objects {
			o := &e.objects[i]
			if role := o.role(); role != "" {
				roles = append(roles, role)
			}
			policies = append(policies, o.managedPolicies()...)
		}
	}
	return unique(roles), unique(policies)
}

func unique(names []string) []string {
	slices.Sort(names)
	return slices.Compact(names)
}

// managedRoles returns the roles that the controller made, as IAM shows them.
func (d *demo) managedRoles(ctx context.Context) ([]types.Role, error) {
	admin, err := d.aws.Admin()
	if err != nil {
		return nil, err
	}
	out, err := admin.ListRoles(ctx, &iam.ListRolesInput{PathPrefix: new("/kube-aws-iam-controller/")})
	if err != nil {
		return nil, fmt.Errorf("list managed roles: %w", err)
	}
	return out.Roles, nil
}

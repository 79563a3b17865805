package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"kube-aws-iam-controller/internal/awssim"

	system "kube-aws-iam-controller/test/kit"
)

// ownRole has a role made for a ServiceAccount.
func (d *demo) ownRole(ctx context.Context) error {
	d.say.step("Apply examples/serviceaccount-with-policy.yaml: a policy asks for a role of one's own")
	d.aws.SetSession(0)
	d.aws.Set(awssim.Settings{Propagation: new(awssim.Duration(2 * time.Second))})
	if err := d.apply(ctx, "serviceaccount-with-policy.yaml"); err != nil {
		return err
	}
	if err := d.showSecret(ctx, "reader.aws-iam"); err != nil {
		return err
	}
	roles, err := d.ownRoles(ctx)
	if err != nil || len(roles) != 1 {
		return errors.Join(fmt.Errorf("there are %d roles of one's own, not 1", len(roles)), err)
	}
	trust, err := url.PathUnescape(*roles[0].AssumeRolePolicyDocument)
	if err != nil {
		return err
	}
	d.say.note("the role %s trusts\n%s", *roles[0].Arn, trust)
	return d.runPod(ctx, "reader.aws-iam", 0, 1)
}

// ownRoles returns the roles that the controller made, as IAM shows them.
func (d *demo) ownRoles(ctx context.Context) ([]types.Role, error) {
	admin, err := d.aws.Admin()
	if err != nil {
		return nil, err
	}
	out, err := admin.ListRoles(ctx, &iam.ListRolesInput{PathPrefix: new("/kube-aws-iam-controller/")})
	if err != nil {
		return nil, err
	}
	return out.Roles, nil
}

func (d *demo) changeOwnRole(ctx context.Context) error {
	d.say.step("Change the policy in the annotation")
	if _, err := d.Kubectl(ctx, "annotate", "-n", namespace, "serviceaccount/reader", "--overwrite",
		`iam.amazonaws.com/role-policy={"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sqs:SendMessage","Resource":"*"}}`); err != nil {
		return err
	}
	return d.untilSaid(ctx, namespace, "RoleUpdated")
}

// repairOwnRole changes the role behind the controller's back.
func (d *demo) repairOwnRole(ctx context.Context) error {
	d.say.step("Let somebody give the role one more policy, by hand")
	admin, err := d.aws.Admin()
	if err != nil {
		return err
	}
	roles, err := d.ownRoles(ctx)
	if err != nil {
		return err
	}
	for i := range roles {
		_, err = admin.PutRolePolicy(ctx, &iam.PutRolePolicyInput{
			RoleName: roles[i].RoleName, PolicyName: new("by-hand"),
			PolicyDocument: new(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}`),
		})
		if err != nil {
			return err
		}
	}
	d.say.note("roles are looked at every %s here, every hour as a rule; what is seen twice, 20 s apart, is corrected", driftInterval)
	return d.untilSaid(ctx, namespace, "RoleDriftCorrected")
}

func (d *demo) deleteOwnRole(ctx context.Context) error {
	if d.keep {
		return nil
	}
	d.say.step("Delete the ServiceAccount: its role goes before it, as its finalizer demands")
	if _, err := d.Kubectl(ctx, "delete", "-n", namespace, "serviceaccount/reader", "--timeout=60s"); err != nil {
		return err
	}
	return system.Eventually(ctx, patience, func(ctx context.Context) error {
		roles, err := d.ownRoles(ctx)
		if err == nil && len(roles) > 0 {
			err = fmt.Errorf("the role %s is left", *roles[0].Arn)
		}
		if err == nil {
			d.say.note("and IAM knows no role under /kube-aws-iam-controller/ any more")
		}
		return err
	})
}

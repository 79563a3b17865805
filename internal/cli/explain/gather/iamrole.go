package gather

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"kube-aws-iam-controller/internal/awserr"
	"kube-aws-iam-controller/internal/cli/explain/chain"
	"kube-aws-iam-controller/internal/identity"
	awssts "kube-aws-iam-controller/internal/sts"
)

// awsTimeout limits what AWS may take altogether: the rest of the answer is known already.
const awsTimeout = 15 * time.Second

// readRole reads a role with the user's own AWS credentials, if there are any. The role of
// the machine is not theirs.
func readRole(ctx context.Context, role identity.RoleReference) chain.Fact[*chain.IAMRole] {
	ctx, cancel := context.WithTimeout(ctx, awsTimeout)
	defer cancel()
	cfg, err := awsconfig.LoadDefaultConfig(ctx, awsconfig.WithEC2IMDSClientEnableState(imds.ClientDisabled))
	if err == nil {
		_, err = cfg.Credentials.Retrieve(ctx)
	}
	if err != nil { // whose words may quote a configuration file
		return chain.Fact[*chain.IAMRole]{Unknown: "whether the trust policy is right: you have no AWS credentials here with which to read it"}
	}
	if cfg.Region == "" {
		cfg.Region = regionOf(role.Partition)
	}
	found, err := getRole(ctx, cfg, role)
	if err != nil {
		return chain.Fact[*chain.IAMRole]{Unknown: "whether the trust policy is right: " + err.Error()}
	}
	return chain.Fact[*chain.IAMRole]{Value: found}
}

// regions are one of each partition but aws: that of its IAM.
// https://docs.aws.amazon.com/general/latest/gr/iam-service.html
var regions = map[string]string{
	"aws-cn":     "cn-north-1",
	"aws-us-gov": "us-gov-west-1",
	"aws-iso":    "us-iso-east-1",
	"aws-iso-b":  "us-isob-east-1",
	"aws-iso-e":  "eu-isoe-west-1",
	"aws-iso-f":  "us-isof-south-1",
	"aws-eusc":   "eusc-de-east-1",
}

// regionOf returns a Region of a partition, by which the SDK finds its STS and IAM.
func regionOf(partition string) string {
	if region, known := regions[partition]; known {
		return region
	}
	return "us-east-1"
}

func getRole(ctx context.Context, cfg aws.Config, role identity.RoleReference) (*chain.IAMRole, error) {
	who, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return nil, fmt.Errorf("ask AWS whose your credentials are: %w", awserr.WithoutRetry(awserr.Describe(err)))
	}
	if account := aws.ToString(who.Account); role.Account != "" && role.Account != account {
		return nil, fmt.Errorf("your AWS credentials are of the account %s, and the role is in %s", account, role.Account)
	}
	out, err := iam.NewFromConfig(awssts.ForIAM(cfg)).GetRole(ctx, &iam.GetRoleInput{RoleName: &role.Name})
	var missing *types.NoSuchEntityException
	switch {
	case errors.As(err, &missing):
		return &chain.IAMRole{}, nil
	case err != nil:
		return nil, fmt.Errorf("read the role with your AWS credentials: %w", awserr.WithoutRetry(awserr.Describe(err)))
	case out.Role == nil:
		return nil, errors.New("IAM did not answer with a role")
	}
	policy, err := url.PathUnescape(aws.ToString(out.Role.AssumeRolePolicyDocument))
	if err != nil {
		return nil, fmt.Errorf("read the trust policy of %s: %w", role.Name, err)
	}
	return &chain.IAMRole{Exists: true, ARN: aws.ToString(out.Role.Arn), Trust: policy}, nil
}

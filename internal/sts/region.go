package sts

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	smithyauth "github.com/aws/smithy-go/auth"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// defaultRegion is the Region for requests that need none but have to be signed for one.
const defaultRegion = "us-east-1"

// globalRegions are no Regions, but stand for the endpoints of a partition that are in none.
// STS is called in the Region of the partition's IAM then: of these names the SDK knows only
// aws-global, and makes of the others hosts of STS that do not exist.
// https://github.com/aws/aws-sdk-go-v2/blob/main/internal/endpoints/awsrulesfn/partitions.json
var globalRegions = map[string]string{
	"aws-global":        defaultRegion,
	"aws-cn-global":     "cn-north-1",
	"aws-us-gov-global": "us-gov-west-1",
	"aws-eusc-global":   "eusc-de-east-1",
	"aws-iso-global":    "us-iso-east-1",
	"aws-iso-b-global":  "us-isob-east-1",
	"aws-iso-e-global":  "eu-isoe-west-1",
	"aws-iso-f-global":  "us-isof-south-1",
}

// loadRegional loads the configuration of the SDK with a Region, which fallback is if the
// environment and the shared files name none. The SDK makes a client of STS for web
// identity tokens while it loads, so a Region that is found only then takes another load.
func loadRegional(ctx context.Context, fallback string, client aws.HTTPClient) (aws.Config, error) {
	options := []func(*awsconfig.LoadOptions) error{
		awsconfig.WithHTTPClient(client), awsconfig.WithAppID(api.ControllerName), awsconfig.WithDefaultRegion(fallback),
	}
	cfg, err := awsconfig.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return cfg, fmt.Errorf("load the AWS configuration: %w", err)
	}
	region, err := regionFor(ctx, cfg)
	if err != nil || region == cfg.Region {
		return cfg, err
	}
	if cfg, err = awsconfig.LoadDefaultConfig(ctx, append(options, awsconfig.WithRegion(region))...); err != nil {
		return cfg, fmt.Errorf("load the AWS configuration: %w", err)
	}
	return cfg, nil
}

// regionFor returns the Region to use in the place of the configured one. The global
// endpoint of STS is never used: what it issues is not valid in opt-in Regions.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_enable-regions.html
func regionFor(ctx context.Context, cfg aws.Config) (string, error) {
	if cfg.Region == "" {
		return findRegion(ctx, cfg)
	}
	if region, is := globalRegions[strings.TrimSpace(cfg.Region)]; is {
		return region, nil
	}
	region, err := identity.ParseRegion(cfg.Region)
	switch {
	case err == nil:
		return region, nil
	case hasOwnEndpoint(cfg):
		return cfg.Region, nil // what imitates AWS names its Regions as it likes
	default: // there would be no such host
		return "", fmt.Errorf("the AWS Region that is configured (AWS_REGION): %w", err)
	}
}

// hasOwnEndpoint reports whether the host of STS does not depend on the Region.
func hasOwnEndpoint(cfg aws.Config) bool {
	return cfg.BaseEndpoint != nil || os.Getenv("AWS_ENDPOINT_URL_STS") != "" || os.Getenv("AWS_ENDPOINT_URL") != ""
}

// ForIAM returns cfg for requests to IAM, of which each partition has one. They are signed
// for the Region where that is, which the SDK sees to unless it is given an endpoint.
//
//nolint:contextcheck,nolintlint // the SDK looks the endpoint up in a table; that no caller passes a context is no fault
func ForIAM(cfg aws.Config) aws.Config {
	endpoint, err := iam.NewDefaultEndpointResolverV2().ResolveEndpoint(context.Background(), iam.EndpointParameters{Region: &cfg.Region})
	if err != nil {
		return cfg // the request will fail with this error
	}
	options, _ := smithyauth.GetAuthOptions(&endpoint.Properties)
	for _, option := range options {
		if region, found := smithyhttp.GetSigV4SigningRegion(&option.SignerProperties); found {
			cfg.Region = region
		}
	}
	return cfg
}

// findRegion asks the instance metadata service. Outside the aws partition STS has
// only Regional endpoints.
func findRegion(ctx context.Context, cfg aws.Config) (string, error) {
	if hasOwnEndpoint(cfg) {
		return defaultRegion, nil // only used for the signature
	}
	ctx, cancel := context.WithTimeout(ctx, imdsTimeout)
	defer cancel()
	out, err := imds.NewFromConfig(cfg).GetRegion(ctx, &imds.GetRegionInput{})
	if err != nil || out.Region == "" {
		return "", errors.New("no AWS Region is configured: set AWS_REGION")
	}
	return out.Region, nil
}

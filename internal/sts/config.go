package sts

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"

	"kube-aws-iam-controller/internal/api"
)

// ConfigOptions configure the requests to AWS.
type ConfigOptions struct {
	// CredentialsFile is the path of a JSON file with credentials that replaces the
	// SDK's default credential chain, "" for that chain.
	CredentialsFile string
	// Region is used if the environment and the shared files name none.
	Region string
	// Observe is called after each attempt of a request, nil for nobody.
	Observe func(service, operation, code string, took time.Duration)
	// Allowed is called before each attempt of a request, which fails with the
	// returned error. nil allows all.
	Allowed func() error
}

// Limits of one attempt of a request. The SDK makes three.
const (
	attemptTimeout     = 10 * time.Second
	maxIdleConnections = 100
	imdsTimeout        = 2 * time.Second
)

// LoadConfig loads the configuration of the AWS SDK from the environment, the
// shared files, and the rest of its default chain. It makes no call, except to the
// instance metadata service if no Region is configured.
func LoadConfig(ctx context.Context, options ConfigOptions) (aws.Config, error) {
	client := awshttp.NewBuildableClient().WithTimeout(attemptTimeout).WithTransportOptions(func(t *http.Transport) {
		t.MaxIdleConnsPerHost = maxIdleConnections
	})
	load := []func(*awsconfig.LoadOptions) error{
		awsconfig.WithHTTPClient(client),
		awsconfig.WithAppID(api.ControllerName),
	}
	cfg, err := awsconfig.LoadDefaultConfig(ctx, load...)
	if err != nil {
		return cfg, fmt.Errorf("load the AWS configuration: %w", err)
	}
	if options.CredentialsFile != "" {
		// Set here, because the SDK wraps a provider passed as an option in a
		// cache, which would not notice changes of the file.
		cfg.Credentials = &fileProvider{path: options.CredentialsFile}
	}
	if options.Observe != nil {
		cfg.APIOptions = append(cfg.APIOptions, observeAttempts(options.Observe))
	}
	if options.Allowed != nil {
		cfg.APIOptions = append(cfg.APIOptions, allowAttempts(options.Allowed))
	}
	if cfg.Region == "" {
		cfg.Region = options.Region
	}
	if cfg.Region == "" {
		cfg.Region, err = findRegion(ctx, cfg)
	}
	return cfg, err
}

// findRegion asks the instance metadata service. Outside the aws partition STS has
// only Regional endpoints.
func findRegion(ctx context.Context, cfg aws.Config) (string, error) {
	if os.Getenv("AWS_ENDPOINT_URL_STS") != "" || os.Getenv("AWS_ENDPOINT_URL") != "" {
		return "us-east-1", nil // only used for the signature
	}
	ctx, cancel := context.WithTimeout(ctx, imdsTimeout)
	defer cancel()
	out, err := imds.NewFromConfig(cfg).GetRegion(ctx, &imds.GetRegionInput{})
	if err != nil || out.Region == "" {
		return "", errors.New("no AWS Region is configured: set AWS_REGION")
	}
	return out.Region, nil
}

package sts

import (
	"context"
	"errors"
	"fmt"
	"kube-aws-iam-controller/internal/api"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
)

// ConfigOptions say where the controller's own credentials come from.
type ConfigOptions struct {
	// CredentialsFile replaces the SDK's default chain, "" for that.
	CredentialsFile string
	// Observe is told of each try of a request, nil for nobody.
	Observe func(service, operation, code string, took time.Duration)
	// Allowed is asked before each try of a request; an error is what becomes of
	// it. nil allows all.
	Allowed func() error
}

// Limits of one try of a request. The SDK makes three.
const (
	attemptTimeout     = 10 * time.Second
	maxIdleConnections = 100
	imdsTimeout        = 2 * time.Second
)

// LoadConfig reads the AWS SDK's configuration: environment, shared files, and
// what else is in its default chain. It makes no call to AWS, except to the
// instance metadata service where nothing else names the Region.
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
		// Set here, because the SDK would put a cache in front of a provider
		// that it is given, and the cache would not see the file change.
		cfg.Credentials = &fileProvider{path: options.CredentialsFile}
	}
	if options.Observe != nil {
		cfg.APIOptions = append(cfg.APIOptions, observeAttempts(options.Observe))
	}
	if options.Allowed != nil {
		cfg.APIOptions = append(cfg.APIOptions, allowAttempts(options.Allowed))
	}
	if cfg.Region == "" {
		cfg.Region, err = findRegion(ctx, cfg)
	}
	return cfg, err
}

// findRegion asks the instance. STS has Regional endpoints only, outside the
// oldest partition.
func findRegion(ctx context.Context, cfg aws.Config) (string, error) {
	if os.Getenv("AWS_ENDPOINT_URL_STS") != "" || os.Getenv("AWS_ENDPOINT_URL") != "" {
		return "us-east-1", nil // only a part of the signature
	}
	ctx, cancel := context.WithTimeout(ctx, imdsTimeout)
	defer cancel()
	out, err := imds.NewFromConfig(cfg).GetRegion(ctx, &imds.GetRegionInput{})
	if err != nil || out.Region == "" {
		return "", errors.New("no AWS Region is configured: set AWS_REGION")
	}
	return out.Region, nil
}

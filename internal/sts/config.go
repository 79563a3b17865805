package sts

import (
	"context"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
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
	return loadConfig(ctx, options, client)
}

func loadConfig(ctx context.Context, options ConfigOptions, client aws.HTTPClient) (aws.Config, error) {
	cfg, err := loadRegional(ctx, options.Region, client)
	if err != nil {
		return cfg, err
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
	return cfg, nil
}

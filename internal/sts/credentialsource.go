package sts

import (
	"context"
	"errors"
	"os"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"

	"kube-aws-iam-controller/internal/awserr"
)

// explainErrors returns a provider whose errors report that the controller itself
// has no credentials, and where they were looked for. failed is called for each error,
// unless it is nil.
func explainErrors(provider aws.CredentialsProvider, failed func()) aws.CredentialsProvider {
	if provider == nil {
		return nil
	}
	source, remedy := credentialSource(provider)
	e := explainedProvider{CredentialsProvider: provider, source: source, remedy: remedy, failed: failed}
	if slices.Contains(sourcesOf(provider), aws.CredentialSourceEnvVarsSTSWebIDToken) {
		e.file = os.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE")
	}
	return e
}

// explainedProvider is a provider whose errors name the source and the remedy.
type explainedProvider struct {
	aws.CredentialsProvider

	source, remedy string
	// file is what the provider reads, "" for nothing. The SDK's error does not tell
	// whether it could.
	file   string
	failed func()
}

// Retrieve implements aws.CredentialsProvider.
func (e explainedProvider) Retrieve(ctx context.Context) (aws.Credentials, error) {
	creds, err := e.CredentialsProvider.Retrieve(ctx)
	if err == nil {
		return creds, nil
	}
	if e.failed != nil && ctx.Err() == nil {
		e.failed()
	}
	if _, explained := errors.AsType[*awserr.CredentialsError](err); explained {
		return creds, err // from the credentials before --assume-role
	}
	if unreadable := e.checkFile(); unreadable != nil {
		err = unreadable
	}
	return creds, &awserr.CredentialsError{Source: e.source, Remedy: e.remedy, Err: err}
}

// checkFile returns an *fs.PathError if the file cannot be opened.
func (e explainedProvider) checkFile() error {
	if e.file == "" {
		return nil
	}
	f, err := os.Open(e.file)
	if err != nil {
		return err
	}
	return f.Close()
}

// ProviderSources implements aws.CredentialProviderSource, which the SDK uses to
// report the origin of credentials to AWS.
func (e explainedProvider) ProviderSources() []aws.CredentialSource {
	return sourcesOf(e.CredentialsProvider)
}

func sourcesOf(provider aws.CredentialsProvider) []aws.CredentialSource {
	if from, is := provider.(aws.CredentialProviderSource); is {
		return from.ProviderSources()
	}
	return nil
}

// Remedies for a controller without credentials.
const (
	remedyProvide      = "give its ServiceAccount an EKS Pod Identity association or an IRSA role, or set --credentials-file"
	remedySource       = "check whatever provides them"
	remedySharedConfig = "correct the shared configuration files, or AWS_PROFILE"
)

// credentialSource returns where a provider's credentials come from, and the remedy
// if there are none. The SDK selects one source at start-up: the first of
// environment variables, web identity token file, shared configuration files and
// container credentials that is configured, otherwise the instance metadata
// service.
func credentialSource(provider aws.CredentialsProvider) (source, remedy string) {
	from := sourcesOf(provider)
	has := func(any ...aws.CredentialSource) bool {
		return slices.ContainsFunc(from, func(s aws.CredentialSource) bool { return slices.Contains(any, s) })
	}
	switch {
	case isFile(provider):
		return "--credentials-file", ""
	case has(aws.CredentialSourceIMDS):
		return "none are in the environment (AWS_ACCESS_KEY_ID), in a web identity token file (AWS_WEB_IDENTITY_TOKEN_FILE), " +
			"in shared configuration files (AWS_PROFILE) or at a container credentials endpoint (AWS_CONTAINER_CREDENTIALS_FULL_URI), " +
			"and the instance metadata service (IMDS) has none", remedyProvide
	case has(aws.CredentialSourceEnvVarsSTSWebIDToken):
		return "the web identity token file (AWS_WEB_IDENTITY_TOKEN_FILE) yielded none for AWS_ROLE_ARN", "check the trust policy and the OIDC provider of that role"
	case has(aws.CredentialSourceHTTP):
		return "the container credentials endpoint (AWS_CONTAINER_CREDENTIALS_FULL_URI, EKS Pod Identity) returned none",
			"check that the Pod Identity agent runs on the node and that the association names the controller's ServiceAccount"
	case has(aws.CredentialSourceProfileProcess, aws.CredentialSourceProcess):
		return "the credential_process of the shared configuration files returned none", remedySharedConfig
	case len(from) > 0 && !has(aws.CredentialSourceEnvVars):
		return "the profile of the shared configuration files (AWS_PROFILE) contains none that work", remedySharedConfig
	default:
		return "the configured source returned none", remedySource
	}
}

func isFile(provider aws.CredentialsProvider) bool {
	_, is := provider.(*fileProvider)
	return is
}

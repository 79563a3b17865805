package sts

import (
	"context"
	"errors"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"

	"kube-aws-iam-controller/internal/awserr"
)

// ownCredentials returns a provider whose errors say that it is the controller
// itself that has no credentials, and where they were looked for.
func explainErrors(provider aws.CredentialsProvider) aws.CredentialsProvider {
	if provider == nil {
		return nil
	}
	source, remedy := credentialSource(provider)
	return explainedProvider{CredentialsProvider: provider, source: source, remedy: remedy}
}

// explained is a provider with errors that tell where it looks.
type explainedProvider struct {
	aws.CredentialsProvider

	source, remedy string
}

// Retrieve implements aws.CredentialsProvider.
func (e explainedProvider) Retrieve(ctx context.Context) (aws.Credentials, error) {
	creds, err := e.CredentialsProvider.Retrieve(ctx)
	if err == nil {
		return creds, nil
	}
	if _, told := errors.AsType[*awserr.CredentialsError](err); told {
		return creds, err // of those before --assume-role
	}
	return creds, &awserr.CredentialsError{Source: e.source, Remedy: e.remedy, Err: err}
}

// ProviderSources implements aws.CredentialProviderSource, by which the SDK tells
// AWS how it came by credentials.
func (e explainedProvider) ProviderSources() []aws.CredentialSource {
	return sourcesOf(e.CredentialsProvider)
}

func sourcesOf(provider aws.CredentialsProvider) []aws.CredentialSource {
	if from, is := provider.(aws.CredentialProviderSource); is {
		return from.ProviderSources()
	}
	return nil
}

// What helps a controller without credentials.
const (
	remedyProvide      = "give its ServiceAccount an EKS Pod Identity association or an IRSA role, or set --credentials-file"
	remedySource       = "check whatever provides them"
	remedySharedConfig = "correct the shared configuration files, or AWS_PROFILE"
)

// whence tells where a provider's credentials come from, and what to do if they do
// not. The SDK settles on one source as it starts: the first of environment
// variables, web identity token file, shared configuration files and container
// credentials that is configured, else the instance metadata service.
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

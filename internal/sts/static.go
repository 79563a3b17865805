package sts

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"

	"kube-aws-iam-controller/internal/identity"
)

// As returns cfg for requests with credentials that were issued.
func As(cfg aws.Config, creds identity.Credentials) aws.Config {
	cfg.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{
			AccessKeyID: creds.AccessKeyID.Reveal(), SecretAccessKey: creds.SecretAccessKey.Reveal(), SessionToken: creds.SessionToken.Reveal(),
			CanExpire: true, Expires: creds.Expiration,
		}, nil
	})
	return cfg
}

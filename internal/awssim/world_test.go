package awssim

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	home  = "123456789012"
	other = "999999999999"
	// serviceTrust is a trust policy for a service, which no caller here is.
	serviceTrust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	// harmless is an identity policy without IAM permissions.
	harmless = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}`
)

// world is a simulation with an administrator in the home account, clients of the AWS SDK, and a clock that tests can
// advance.
type world struct {
	*Server

	t    *testing.T
	late atomic.Int64 // offset of the clock in nanoseconds
	iam  *iam.Client
	sts  *sts.Client
}

func newWorld(t *testing.T, options Options) *world {
	t.Helper()
	w := &world{t: t}
	options.Now = func() time.Time { return time.Now().Add(time.Duration(w.late.Load())) }
	var err error
	w.Server, err = Start(t.Context(), New(options))
	require.NoError(t, err)
	t.Cleanup(w.Close)
	_, err = w.AddUser(home, "admin", true)
	require.NoError(t, err)
	creds := w.user("admin")
	w.iam, w.sts = w.iamAs(creds), w.stsAs(creds)
	return w
}

func (w *world) pass(d time.Duration) { w.late.Add(int64(d)) }

func (w *world) user(name string) aws.Credentials {
	w.t.Helper()
	creds, err := w.UserCredentials(home, name)
	require.NoError(w.t, err)
	return creds
}

func (w *world) add(spec RoleSpec) string {
	w.t.Helper()
	if spec.Account == "" {
		spec.Account = home
	}
	if spec.Trust == "" {
		spec.Trust = serviceTrust
	}
	arn, err := w.AddRole(spec)
	require.NoError(w.t, err)
	return arn
}

func (w *world) session(role string) aws.Credentials {
	w.t.Helper()
	creds, err := w.RoleCredentials(home, role, "test", time.Hour)
	require.NoError(w.t, err)
	return creds
}

func provide(creds aws.Credentials) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return creds, nil })
}

// Clients do not retry, so that each error is returned. They sign with the real time.

func (w *world) iamAs(creds aws.Credentials) *iam.Client {
	return iam.New(iam.Options{Region: "us-east-1", BaseEndpoint: new(w.URL()), Credentials: provide(creds), RetryMaxAttempts: 1})
}

func (w *world) stsAs(creds aws.Credentials) *sts.Client {
	return sts.New(sts.Options{Region: "eu-central-1", BaseEndpoint: new(w.URL()), Credentials: provide(creds), RetryMaxAttempts: 1})
}

// refused asserts an API error with a code and a message.
func refused(t *testing.T, err error, code, message string) {
	t.Helper()
	var api smithy.APIError
	require.ErrorAs(t, err, &api)
	assert.Equal(t, code, api.ErrorCode())
	assert.Contains(t, api.ErrorMessage(), message)
}

func (w *world) create(name string, change ...func(*iam.CreateRoleInput)) (*iam.CreateRoleOutput, error) {
	in := &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: new(serviceTrust)}
	for _, c := range change {
		c(in)
	}
	return w.iam.CreateRole(w.t.Context(), in)
}

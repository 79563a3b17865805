package sts

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/awssim"
	"kube-aws-iam-controller/internal/identity"
)

const (
	home       = "123456789012"
	other      = "999999999999"
	externalID = "ns/cluster"
)

// world is simulated AWS with a role of the controller, which may assume any role
// that trusts it, and a user who may do so, too.
type world struct {
	*awssim.Server

	t *testing.T
	// controller and user are their ARNs.
	controller, user string
}

func newWorld(t *testing.T, options awssim.Options) *world {
	t.Helper()
	server, err := awssim.Start(t.Context(), awssim.New(options))
	require.NoError(t, err)
	t.Cleanup(server.Close)
	w := &world{Server: server, t: t}
	w.controller = w.add(awssim.RoleSpec{Path: "/infra/", Name: "controller", Admin: true, Trust: trusting(home)})
	w.user, err = w.AddUser(home, "controller-user", true)
	require.NoError(t, err)
	return w
}

func (w *world) add(spec awssim.RoleSpec) string {
	w.t.Helper()
	if spec.Account == "" {
		spec.Account = home
	}
	arn, err := w.AddRole(spec)
	require.NoError(w.t, err)
	return arn
}

// app creates a role that requires the external ID.
func (w *world) app(name string) {
	w.t.Helper()
	w.add(awssim.RoleSpec{Name: name, Trust: trusting(home, externalID), MaxSessionDuration: 43200})
}

// trusting returns a trust policy for an account or principal that requires an
// external ID if one is given.
func trusting(principal string, externalIDs ...string) string {
	condition := ""
	if len(externalIDs) > 0 {
		condition = `,"Condition":{"StringEquals":{"sts:ExternalId":"` + externalIDs[0] + `"}}`
	}
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + principal + `"},"Action":"sts:AssumeRole"` + condition + `}]}`
}

// asRole returns credentials of the controller's role as an instance has them.
func (w *world) asRole() aws.Credentials {
	w.t.Helper()
	creds, err := w.RoleCredentials(home, "controller", "i-0123456789", time.Hour)
	require.NoError(w.t, err)
	return creds
}

func (w *world) asUser() aws.Credentials {
	w.t.Helper()
	creds, err := w.UserCredentials(home, "controller-user")
	require.NoError(w.t, err)
	return creds
}

// assumer returns an Assumer with credentials of the controller. It does not retry,
// so that each error is visible.
func (w *world) assumer(creds aws.Credentials, options Options) *Assumer {
	w.t.Helper()
	a, err := New(configFor(w.URL(), creds), withQPS(options))
	require.NoError(w.t, err)
	return a
}

func withQPS(options Options) Options {
	if options.QPS == 0 {
		options.QPS = 10_000
	}
	return options
}

func configFor(url string, creds aws.Credentials) aws.Config {
	return aws.Config{
		Region: "eu-central-1", BaseEndpoint: &url, RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return creds, nil }),
	}
}

// wanting returns what the ServiceAccount ns/app requests.
func wanting(t *testing.T, role string) identity.Desired {
	t.Helper()
	ref, err := identity.ParseRole(role)
	require.NoError(t, err)
	return identity.Desired{
		Key:  identity.Key{Source: identity.ServiceAccount, Namespace: "ns", Name: "app"},
		Role: ref, ExternalID: externalID, SessionDuration: time.Hour,
	}
}

// assumptions returns the parameters of all AssumeRole requests.
func (w *world) assumptions() []map[string]string {
	var all []map[string]string
	for _, call := range w.Calls() {
		if call.Action == "AssumeRole" {
			all = append(all, call.Params)
		}
	}
	return all
}

// requireHarmless requires that an error is one line that fits into an event and
// contains nothing that STS issued.
func (w *world) requireHarmless(err error) {
	w.t.Helper()
	require.Error(w.t, err)
	assert.NotContains(w.t, err.Error(), "\n")
	assert.Less(w.t, len(err.Error()), 900)
	for _, secret := range w.IssuedSecrets() {
		assert.False(w.t, strings.Contains(err.Error(), secret), err.Error()) //nolint:testifylint // it would print the secret
	}
}

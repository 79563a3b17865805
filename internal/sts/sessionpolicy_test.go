package sts

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/awssim"
	"kube-aws-iam-controller/internal/identity"
)

const readOnly = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}`

// limited is wanting a role under the session policy readOnly.
func limited(t *testing.T, role string) identity.Desired {
	t.Helper()
	want := wanting(t, role)
	want.SessionPolicy = readOnly
	return want
}

func TestSessionsAreLimitedByTheSessionPolicy(t *testing.T) {
	for name, tc := range map[string]struct {
		options Options
		change  func(*identity.Desired)
	}{
		"an existing role":     {Options{}, func(*identity.Desired) {}},
		"of an AWSIAMRole":     {Options{}, func(want *identity.Desired) { want.Source = identity.AWSIAMRole }},
		"with session tags":    {Options{SessionTags: true, ClusterName: "cluster"}, func(*identity.Desired) {}},
		"through another role": {Options{AssumeRole: "through"}, func(*identity.Desired) {}},
		"a chained session":    {Options{}, func(want *identity.Desired) { want.SessionDuration = 2 * time.Hour }},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, awssim.Options{})
			w.add(awssim.RoleSpec{Name: "through", Admin: true, Trust: trusting(home)})
			w.add(awssim.RoleSpec{Name: "app", Admin: true, MaxSessionDuration: 43200, Trust: strings.Replace(trusting(home), `"sts:AssumeRole"`, `["sts:AssumeRole","sts:TagSession"]`, 1)})
			want := limited(t, "app")
			tc.change(&want)
			a := w.assumer(w.asRole(), tc.options)
			for _, policy := range []string{readOnly, ""} {
				want.SessionPolicy = policy
				creds, err := a.Assume(t.Context(), want)
				require.NoError(t, err)
				for action, want := range map[string]bool{"s3:GetObject": true, "s3:PutObject": policy == ""} {
					got, err := w.Allows(creds.AccessKeyID.Reveal(), action, "arn:aws:s3:::bucket/key", nil)
					require.NoError(t, err)
					assert.Equal(t, want, got, action)
				}
			}
			for _, params := range w.assumptions() {
				if strings.HasSuffix(params["RoleArn"], "/through") {
					assert.NotContains(t, params, "Policy", "the controller's own session is not limited")
				}
			}
		})
	}
}

func TestExternalIDCheckPassesNoSessionPolicy(t *testing.T) {
	w := newWorld(t, awssim.Options{})
	w.app("app")
	want := wanting(t, "app")
	want.SessionPolicy = "{" // STS would refuse that before it looks at the trust policy
	enforces, err := w.assumer(w.asRole(), Options{ClusterName: "cluster"}).EnforcesExternalID(t.Context(), want)
	require.NoError(t, err)
	assert.True(t, enforces)
	assert.Equal(t, "{", want.SessionPolicy)
}

func TestRefusedSessionPolicyIsExplained(t *testing.T) {
	w := newWorld(t, awssim.Options{})
	w.app("app")
	a := w.assumer(w.asRole(), Options{})
	want := limited(t, "app")
	want.SessionPolicy = "{"
	_, err := a.Assume(t.Context(), want)
	require.EqualError(t, err, "MalformedPolicyDocument: This policy contains invalid Json; correct iam.amazonaws.com/session-policy or sessionPolicy")
	w.requireHarmless(err)
}

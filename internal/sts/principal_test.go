package sts

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/awssim"
	"kube-aws-iam-controller/internal/identity"
)

func TestPrincipal(t *testing.T) {
	w := newWorld(t, awssim.Options{})
	elsewhere := "arn:aws:iam::" + other + ":role/through"
	for name, tc := range map[string]struct {
		assumer *Assumer
		want    string
	}{
		"a role, with its path":        {w.assumer(w.asRole(), Options{}), "arn:aws:iam::" + home + ":role/infra/controller"},
		"a user":                       {w.assumer(w.asUser(), Options{}), "arn:aws:iam::" + home + ":user/controller-user"},
		"an intermediate role":         {w.assumer(w.asRole(), Options{AssumeRole: "a/through"}), "arn:aws:iam::" + home + ":role/a/through"},
		"an intermediate role's ARN":   {w.assumer(w.asRole(), Options{AssumeRole: elsewhere}), elsewhere},
		"IAM tells, so no flag counts": {w.assumer(w.asRole(), Options{ControllerRoleARN: elsewhere}), "arn:aws:iam::" + home + ":role/infra/controller"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := tc.assumer.Principal(t.Context())
			require.NoError(t, err)
			assert.Equal(t, tc.want, got)
		})
	}
}

func TestAccountIsThatOfThePrincipal(t *testing.T) {
	w := newWorld(t, awssim.Options{})
	for name, tc := range map[string]struct {
		options Options
		want    string
	}{
		"its own":                            {Options{}, home},
		"not that of the names":              {Options{BaseRoleARN: "arn:aws:iam::" + other + ":role/"}, home},
		"that of the intermediate role":      {Options{AssumeRole: "arn:aws:iam::" + other + ":role/through"}, other},
		"that of the intermediate role name": {Options{AssumeRole: "through", BaseRoleARN: "arn:aws:iam::" + other + ":role/"}, other},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := w.assumer(w.asRole(), tc.options).Account(t.Context())
			require.NoError(t, err)
			assert.Equal(t, identity.BaseRole{Partition: "aws", Account: tc.want}, got)
		})
	}
	w.Set(awssim.Settings{Faults: &[]awssim.Fault{{Code: "InternalFailure"}}})
	_, err := w.assumer(w.asRole(), Options{}).Account(t.Context())
	require.ErrorContains(t, err, "ask AWS who the controller is")
}

func TestPrincipalWithoutGetRole(t *testing.T) {
	w := newWorld(t, awssim.Options{})
	w.add(awssim.RoleSpec{Name: "poor", Trust: trusting(home)})
	creds, err := w.RoleCredentials(home, "poor", "session", 3600e9)
	require.NoError(t, err)
	_, err = w.assumer(creds, Options{}).Principal(t.Context())
	require.ErrorContains(t, err, "AccessDenied")
	require.ErrorContains(t, err, "allow iam:GetRole on it, or give --controller-role-arn")
	w.requireHarmless(err)

	told := "arn:aws:iam::" + home + ":role/poor"
	got, err := w.assumer(creds, Options{ControllerRoleARN: told}).Principal(t.Context())
	require.NoError(t, err)
	assert.Equal(t, told, got)
}

func TestRecreatedRoleIsNotThePrincipal(t *testing.T) {
	w := newWorld(t, awssim.Options{})
	a := w.assumer(w.asRole(), Options{})
	_, err := a.caller.getCallerIdentity(t.Context())
	require.NoError(t, err)
	w.RemoveRole(home, "controller")
	w.add(awssim.RoleSpec{Path: "/other/", Name: "controller", Admin: true, Trust: trusting(home)})
	a.iam = w.assumer(w.asRole(), Options{}).iam // the session of the one before is worth nothing
	_, err = a.Principal(t.Context())
	require.ErrorContains(t, err, "another than the controller's own")
}

package sts

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/awssim"
)

func TestConfiguredPrincipal(t *testing.T) {
	controller := "arn:aws:iam::" + home + ":role/infra/controller"
	for name, tc := range map[string]struct {
		options Options
		want    string
	}{
		"none":                        {Options{}, ""},
		"the controller's role":       {Options{ControllerRoleARN: controller}, controller},
		"the intermediate role's ARN": {Options{AssumeRole: "arn:aws:iam::" + other + ":role/through"}, "arn:aws:iam::" + other + ":role/through"},
		"the intermediate role goes first": {
			Options{AssumeRole: "arn:aws:iam::" + other + ":role/through", ControllerRoleARN: controller}, "arn:aws:iam::" + other + ":role/through",
		},
		"its name, in the account of the controller": {Options{AssumeRole: "a/through", ControllerRoleARN: controller}, "arn:aws:iam::" + home + ":role/a/through"},
		"its name, on a base":                        {Options{AssumeRole: "through", BaseRoleARN: "arn:aws:iam::" + other + ":role/k8s/"}, "arn:aws:iam::" + other + ":role/k8s/through"},
		"its name alone tells no account":            {Options{AssumeRole: "through"}, ""},
		"a base tells no role":                       {Options{BaseRoleARN: "arn:aws:iam::" + other + ":role/"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ConfiguredPrincipal(tc.options)
			require.NoError(t, err)
			assert.Equal(t, tc.want, got)
		})
	}
}

func TestUnlikelyCaller(t *testing.T) {
	sts := "arn:aws:sts::" + home + ":assumed-role/"
	for arn, want := range map[string]string{
		sts + "AWSReservedSSO_Admin_0123456789abcdef/jane@example.org": "a person who signed in through IAM Identity Center",
		sts + "admin/jane@example.org":                                 "a session that is named after a person",
		sts + "admin/botocore-session-1700000000":                      "a session of the AWS CLI",
		"arn:aws:iam::" + home + ":root":                               "the root user of the account",
		"arn:aws:iam::" + home + ":user/team/jane":                     "an IAM user",
		"arn:aws:sts::" + home + ":federated-user/jane":                "a federated user",
		sts + "controller/i-0123456789abcdef0":                         "",
		sts + "controller/eks-prod-kube-aws-i-0123":                    "",
		sts + "controller/kube-aws-iam-controller":                     "",
		sts + "controller/1700000000000000000":                         "",
		"":                                                             "",
	} {
		assert.Equal(t, want, unlikelyCaller(arn), arn)
	}
}

func TestCallerWarning(t *testing.T) {
	w := newWorld(t, awssim.Options{})
	got, err := w.assumer(w.asUser(), Options{}).CallerWarning(t.Context())
	require.NoError(t, err)
	assert.Equal(t, w.user+" is an IAM user", got)
	got, err = w.assumer(w.asRole(), Options{}).CallerWarning(t.Context())
	require.NoError(t, err)
	assert.Empty(t, got)
	got, err = w.assumer(w.asUser(), Options{AssumeRole: "through"}).CallerWarning(t.Context())
	require.NoError(t, err)
	assert.Empty(t, got, "the policy names the intermediate role")
}

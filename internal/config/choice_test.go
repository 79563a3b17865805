package config

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/identity"
)

func TestRequireExternalIDAcceptsBooleans(t *testing.T) {
	for name, tc := range map[string]struct {
		args     []string
		variable string
		want     identity.ExternalIDCheck
	}{
		"nothing":              {nil, "", identity.CheckOtherAccounts},
		"the bare flag":        {[]string{"--require-external-id"}, "", identity.CheckAll},
		"before another":       {[]string{"--require-external-id", "--debug"}, "", identity.CheckAll},
		"before a command":     {[]string{"--require-external-id", "controller"}, "", identity.CheckAll},
		"true":                 {[]string{"--require-external-id=true"}, "", identity.CheckAll},
		"false":                {[]string{"--require-external-id=false"}, "", identity.CheckNone},
		"negated":              {[]string{"--no-require-external-id"}, "", identity.CheckNone},
		"all":                  {[]string{"--require-external-id=all"}, "", identity.CheckAll},
		"other accounts":       {[]string{"--require-external-id=other-accounts"}, "", identity.CheckOtherAccounts},
		"off, apart":           {[]string{"--require-external-id", "off"}, "", identity.CheckNone},
		"a variable: true":     {nil, "true", identity.CheckAll},
		"a variable: false":    {nil, "false", identity.CheckNone},
		"a variable: a choice": {nil, "other-accounts", identity.CheckOtherAccounts},
		"the flag wins":        {[]string{"--require-external-id=off"}, "true", identity.CheckNone},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.variable != "" {
				t.Setenv("KUBE_AWS_IAM_REQUIRE_EXTERNAL_ID", tc.variable)
			}
			command, c, err := parse(t, tc.args...)
			require.NoError(t, err)
			assert.Equal(t, Controller, command)
			assert.Equal(t, tc.want, c.RequireExternalID)
		})
	}
	_, _, err := parse(t, "trust-policy", "--cluster-name=prod", "--", "ns", "--require-external-id")
	require.ErrorContains(t, err, `"--require-external-id" is not the name of a ServiceAccount`, "after -- it is an argument")
	_, _, err = parse(t, "--require-external-id=some")
	require.ErrorContains(t, err, `--require-external-id (KUBE_AWS_IAM_REQUIRE_EXTERNAL_ID): invalid value "some": expected off, other-accounts or all`)
}

func TestIRSAAnnotationsIsABooleanWithAThirdValue(t *testing.T) {
	for name, tc := range map[string]struct {
		args     []string
		variable string
		want     IRSAAnnotations
		read     bool
	}{
		"nothing":          {nil, "", IgnoreIRSA, false},
		"the bare flag":    {[]string{"--irsa-annotations"}, "", ReadIRSA, true},
		"before another":   {[]string{"--irsa-annotations", "--debug"}, "", ReadIRSA, true},
		"true":             {[]string{"--irsa-annotations=true"}, "", ReadIRSA, true},
		"false":            {[]string{"--irsa-annotations=false"}, "", IgnoreIRSA, false},
		"negated":          {[]string{"--no-irsa-annotations"}, "", IgnoreIRSA, false},
		"forced":           {[]string{"--irsa-annotations=force"}, "", ForceIRSA, true},
		"forced, apart":    {[]string{"--irsa-annotations", "force"}, "", ForceIRSA, true},
		"a variable":       {nil, "true", ReadIRSA, true},
		"a variable, off":  {nil, "false", IgnoreIRSA, false},
		"a forcing one":    {nil, "force", ForceIRSA, true},
		"the flag wins":    {[]string{"--no-irsa-annotations"}, "force", IgnoreIRSA, false},
		"both at the same": {[]string{"--irsa-annotations", "--require-external-id"}, "", ReadIRSA, true},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.variable != "" {
				t.Setenv("KUBE_AWS_IAM_IRSA_ANNOTATIONS", tc.variable)
			}
			_, c, err := parse(t, tc.args...)
			require.NoError(t, err)
			assert.Equal(t, tc.want, c.IRSAAnnotations)
			assert.Equal(t, tc.read, c.IRSAAnnotations.Read())
		})
	}
	for _, spelling := range []string{"1", "True", "on", "forced", " true"} {
		_, _, err := parse(t, "--irsa-annotations="+spelling)
		require.ErrorContains(t, err, `--irsa-annotations (KUBE_AWS_IAM_IRSA_ANNOTATIONS): invalid value "`+spelling+`": expected false, true or force`,
			"the admission policy compares the setting literally")
	}
}

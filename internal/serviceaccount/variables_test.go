package serviceaccount

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// policyWithVariables is a policy of ns/app in the account 012345678901, and
// policyOfApp what is made of it.
const (
	policyWithVariables = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*",` +
		`"Resource":["arn:$(partition):s3:::b/$(cluster)/$(namespace)/*","arn:$(partition):sqs:$(region):$(account):$(serviceaccount)","a:$$(namespace)/${aws:username}"]}}`
	policyOfApp = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*",` +
		`"Resource":["arn:aws-us-gov:s3:::b/cluster/ns/*","arn:aws-us-gov:sqs:eu-central-1:012345678901:app","a:$(namespace)/${aws:username}"]}}`
)

// desiredOf returns what a ServiceAccount ns/app with annotations requests.
func desiredOf(t *testing.T, annotations map[string]string) (*identity.Desired, error) {
	t.Helper()
	s, i, _ := newSource()
	i.add(t, object(annotations))
	return s.Desired(t.Context(), key)
}

func TestVariablesAreExpanded(t *testing.T) {
	want, err := desiredOf(t, map[string]string{
		api.RoleAnnotation: " /team/$(namespace)-$(serviceaccount)\n", api.SessionPolicyAnnotation: "\n" + policyWithVariables, api.RegionAnnotation: "eu-central-1",
	})
	require.NoError(t, err)
	assert.Equal(t, "team/ns-app", want.Role.String())
	assert.JSONEq(t, policyOfApp, want.SessionPolicy)

	want, err = desiredOf(t, map[string]string{
		api.RolePolicyAnnotation: strings.ReplaceAll(policyWithVariables, ",", ",\n "), api.RegionAnnotation: "eu-central-1\n",
		api.ManagedPoliciesAnnotation: "arn:$(partition):iam::$(account):policy/$(cluster)/Z-$(namespace),arn:$(partition):iam::aws:policy/A, arn:aws-us-gov:iam::aws:policy/A,",
	})
	require.NoError(t, err)
	assert.Equal(t, &identity.ManagedRole{
		Policy:          policyOfApp,
		ManagedPolicies: []string{"arn:aws-us-gov:iam::012345678901:policy/cluster/Z-ns", "arn:aws-us-gov:iam::aws:policy/A"},
	}, want.Managed)

	want, err = desiredOf(t, map[string]string{api.RoleAnnotation: "arn:$(partition):iam::$(account):role/$(cluster)/$(namespace)"})
	require.NoError(t, err)
	assert.Equal(t, "arn:aws-us-gov:iam::012345678901:role/cluster/ns", want.Role.String())
}

func TestTheRegionIsThatOfTheServiceAccountElseTheDefault(t *testing.T) {
	s, i, _ := newSource()
	annotations := map[string]string{api.RoleAnnotation: "app-$(region)"}
	i.add(t, object(annotations))
	_, err := s.Desired(t.Context(), key)
	requireInvalid(t, err, api.RoleAnnotation+": $(region) has no value, because the ServiceAccount has no "+api.RegionAnnotation)

	s.config.DefaultRegion = "us-gov-east-1"
	byDefault, err := s.Desired(t.Context(), key)
	require.NoError(t, err)
	assert.Equal(t, "app-us-gov-east-1", byDefault.Role.String())

	annotations[api.RegionAnnotation] = "us-gov-west-1"
	i.add(t, object(annotations))
	own, err := s.Desired(t.Context(), key)
	require.NoError(t, err)
	assert.Equal(t, "app-us-gov-west-1", own.Role.String())
	assert.NotEqual(t, byDefault.SpecHash(), own.SpecHash(), "the credentials are renewed")

	annotations[api.RegionAnnotation] = "here"
	i.add(t, object(annotations))
	_, err = s.Desired(t.Context(), key)
	requireInvalid(t, err, api.RegionAnnotation+`: "here" is not a valid AWS Region`)
}

// requireInvalid requires an *identity.InvalidError for a malformed annotation.
func requireInvalid(t *testing.T, err error, says string) {
	t.Helper()
	var invalid *identity.InvalidError
	require.ErrorAs(t, err, &invalid)
	assert.Equal(t, api.InvalidAnnotation, invalid.Reason)
	assert.Contains(t, invalid.Message, says)
	assert.Less(t, len(invalid.Message), 1024)
	requireFitsEvent(t, invalid.Message)
}

func TestInvalidVariablesAreNamed(t *testing.T) {
	statement := func(resource string) string {
		return `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"` + resource + `"}}`
	}
	arns := func(n int) string {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprintf("arn:aws:iam::aws:policy/%d-$(namespace)", i))
		}
		return strings.Join(all, ",")
	}
	for name, test := range map[string]struct {
		key, value, says string
	}{
		"unknown in a role":            {api.RoleAnnotation, "$(namespce)", api.RoleAnnotation + `: the variable "$(namespce)" is not known: write $(namespace), or`},
		"unknown in a policy":          {api.RolePolicyAnnotation, statement("a:$(Namespace)"), api.RolePolicyAnnotation + `: the variable "$(Namespace)" is not known`},
		"unknown in managed policies":  {api.ManagedPoliciesAnnotation, "$(x)", api.ManagedPoliciesAnnotation + `: the variable "$(x)" is not known`},
		"unknown in a session policy":  {api.SessionPolicyAnnotation, statement("a:$(x)"), api.SessionPolicyAnnotation + `: the variable "$(x)" is not known`},
		"not closed":                   {api.RoleAnnotation, "$(namespace", api.RoleAnnotation + `: the variable "$(namespace" is not closed: write $(namespace)`},
		"not closed, long":             {api.RolePolicyAnnotation, statement("a:$(" + strings.Repeat("x", 2000)), "is not closed"},
		"no role":                      {api.RoleAnnotation, "$(namespace)/", `"ns/" does not name a role: a role name has 1 to 64 letters, digits and +=,.@_- (written as "$(namespace)/")`},
		"too long a role":              {api.RoleAnnotation, strings.Repeat("$(serviceaccount)", 22), `"` + strings.Repeat("app", 22) + `" does not name a role`},
		"too long an annotation":       {api.RoleAnnotation, strings.Repeat("$(serviceaccount)", 62), `(1054 bytes) is too long: with variables in it, write at most 1024 bytes`},
		"no JSON":                      {api.RolePolicyAnnotation, "{\n\"a\":$(account)}", "is not JSON: line 2, column 5: "},
		"no policy":                    {api.RolePolicyAnnotation, `{"a":"$(account)"}`, `the policy has "a", which is not an element of a policy`},
		"no resource":                  {api.RolePolicyAnnotation, statement("$(namespace)"), `statement 1 has the Resource "ns": give "*", or an ARN`},
		"a key twice":                  {api.RolePolicyAnnotation, strings.Replace(statement("*"), `"Resource"`, `"Condition":{"Bool":{"ns":true,"$(namespace)":true}},"Resource"`, 1), `has the condition key "ns" twice`},
		"a key twice by another":       {api.RolePolicyAnnotation, strings.Replace(statement("*"), `"Effect"`, `"$(namespace)":1,"Effect"`, 1), `has "ns", which is not an element of a statement`},
		"a long policy":                {api.RolePolicyAnnotation, statement("a:" + strings.Repeat("$(serviceaccount)", 700) + strings.Repeat("x", 8150)), "the policy has 10334 characters without white space, and IAM takes 10240"},
		"a longer policy":              {api.RolePolicyAnnotation, statement("a:" + strings.Repeat("$(serviceaccount)", 1300)), "at most 20480 are taken"},
		"a long session policy":        {api.SessionPolicyAnnotation, statement("a:" + strings.Repeat("$(partition)", 250)), "the policy has 2584 characters without white space between its parts, and STS takes 2048"},
		"many managed policies":        {api.ManagedPoliciesAnnotation, arns(26), "there are more than 25 managed policies"},
		"a managed policy":             {api.ManagedPoliciesAnnotation, "arn:aws:iam::$(partition):policy/A", `"arn:aws:iam::aws-us-gov:policy/A" is not the ARN of a managed policy`},
		"a region":                     {api.RegionAnnotation, "$(region)", api.RegionAnnotation + `: "$(region)" is not a valid AWS Region: expected a name`},
		"a wildcard":                   {api.RoleAnnotation, "$(namespace)*", `"ns*" does not name a role`},
		"IAM's variables are no names": {api.RoleAnnotation, "${aws:PrincipalTag/$(namespace)}", `does not name a role`},
	} {
		t.Run(name, func(t *testing.T) {
			annotations := map[string]string{test.key: test.value}
			if test.key == api.SessionPolicyAnnotation || test.key == api.RegionAnnotation {
				annotations[api.RoleAnnotation] = "app"
			}
			_, err := desiredOf(t, annotations)
			requireInvalid(t, err, test.says)
		})
	}
}

func TestLimitsAreThoseOfWhatVariablesStandFor(t *testing.T) {
	want, err := desiredOf(t, map[string]string{
		api.RoleAnnotation:          strings.Repeat("$(serviceaccount)", 21),
		api.SessionPolicyAnnotation: `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"a:` + strings.Repeat("$(serviceaccount)", 400) + `"}}`,
	})
	require.NoError(t, err)
	assert.Equal(t, strings.Repeat("app", 21), want.Role.Name)
	assert.Len(t, want.SessionPolicy, 1284)
}

func TestNoVariablesAreExpandedInTheAnnotationOfEKS(t *testing.T) {
	s, i := newIRSASource()
	for value, says := range map[string]string{
		"arn:aws:iam::123456789012:role/$(namespace)": `does not name a role: a role name has 1 to 64 letters, digits and +=,.@_-; variables are expanded in iam.amazonaws.com/role only`,
		"$(namespce)": `"$(namespce)" does not name a role`,
	} {
		i.add(t, object(map[string]string{api.IRSAAnnotation: value}))
		_, err := s.Desired(t.Context(), key)
		requireInvalid(t, err, api.IRSAAnnotation+": ")
		requireInvalid(t, err, says)
	}
	const literal = "arn:aws:iam::123456789012:role/$(namespace)/$$(x)/app"
	i.add(t, object(map[string]string{api.IRSAAnnotation: literal}))
	want, err := s.Desired(t.Context(), key)
	require.NoError(t, err)
	assert.Equal(t, literal, want.Role.String(), "a path may have such characters")
}

func TestAnAccountThatIsNotKnownYetIsNobodysMistake(t *testing.T) {
	away := errors.New("STS is away")
	for name, annotations := range map[string]map[string]string{
		"a role":           {api.RoleAnnotation: "arn:$(partition):iam::123456789012:role/app"},
		"a policy":         {api.RolePolicyAnnotation: policyWithVariables, api.RegionAnnotation: "eu-central-1"},
		"managed policies": {api.ManagedPoliciesAnnotation: "arn:aws:iam::$(account):policy/A"},
		"a session policy": {api.RoleAnnotation: "app", api.SessionPolicyAnnotation: policyWithVariables, api.RegionAnnotation: "eu-central-1"},
	} {
		t.Run(name, func(t *testing.T) {
			s, i, _ := newSource()
			known := s.config.Base
			s.config.Base = func(context.Context) (identity.BaseRole, error) { return identity.BaseRole{}, away }
			i.add(t, object(annotations))
			want, err := s.Desired(t.Context(), key)
			var invalid *identity.InvalidError
			require.NotErrorAs(t, err, &invalid)
			require.ErrorIs(t, err, away)
			assert.Equal(t, api.GetCredentialsFailed, identity.ReasonOf(err))
			assert.Regexp(t, `^Failed to get credentials: iam\.amazonaws\.com/[a-z-]+: the value of \$\((account|partition)\) is not known: STS is away$`, err.Error())
			require.NotNil(t, want)
			assert.Equal(t, "u1", want.UID, "what is known")
			assert.Nil(t, want.Managed)

			malformed := object(annotations)
			malformed.Annotations[api.DeliveryAnnotation] = "post"
			i.add(t, malformed)
			_, err = s.Desired(t.Context(), key)
			requireInvalid(t, err, api.DeliveryAnnotation+`: "post"`)
			assert.NotContains(t, err.Error(), "STS", "what its author can correct comes first")

			delete(malformed.Annotations, api.DeliveryAnnotation)
			i.add(t, malformed)
			s.config.Base = known
			_, err = s.Desired(t.Context(), key)
			require.NoError(t, err)
		})
	}
}

func TestAWSIsAskedForTheAccountOnlyIfItIsNeeded(t *testing.T) {
	s, i, _ := newSource()
	s.config.Base = func(context.Context) (identity.BaseRole, error) {
		t.Error("AWS was asked")
		return identity.BaseRole{}, nil
	}
	for _, annotations := range []map[string]string{
		{api.RoleAnnotation: "app", api.SessionPolicyAnnotation: policy},
		{api.RoleAnnotation: "$(namespace)-$(serviceaccount)-$(cluster)"},
		{api.RolePolicyAnnotation: strings.Replace(policy, "*", "$$(account)*", 1)},
	} {
		i.add(t, object(annotations))
		_, err := s.Desired(t.Context(), key)
		require.NoError(t, err)
	}
}

// TestSpecHashesOfEarlierVersionsAreKept has hashes that the version before variables
// recorded for these annotations, on a ServiceAccount ns/app with the UID u1.
func TestSpecHashesOfEarlierVersionsAreKept(t *testing.T) {
	pricey := strings.Replace(policy, "s3:*", "s3:$Get${*}$$", 1)
	for hash, annotations := range map[string]map[string]string{
		"f7d2873b24f6b494":                  {api.RoleAnnotation: "/path/app ", api.SessionDurationAnnotation: "2h"},
		"2113230fd46ac569":                  {api.RolePolicyAnnotation: " " + policy, api.ManagedPoliciesAnnotation: "arn:aws:iam::aws:policy/B,arn:aws:iam::aws:policy/A,"},
		"e9c183128fdaa87d-ba9ff00b763af0ec": {api.RoleAnnotation: "arn:aws:iam::123456789012:role/app", api.SessionPolicyAnnotation: policy, api.RegionAnnotation: "eu-central-1"},
		"0d5ac23730c92447":                  {api.RolePolicyAnnotation: pricey},
	} {
		want, err := desiredOf(t, annotations)
		require.NoError(t, err)
		assert.Equal(t, hash, want.SpecHash(), "an upgrade renews nothing")
	}
	// What was literal before, and is escaped now.
	for hash, annotations := range map[string]map[string]string{
		"9ce71592ba13688e": {api.RolePolicyAnnotation: strings.Replace(policy, `"*"`, `"a:$(namespace)/$$(x)"`, 1)},
		"2f780b934450d41e": {api.RoleAnnotation: "$(x)/app"},
		"95049e8f937fcc44": {api.ManagedPoliciesAnnotation: "arn:aws:iam::aws:policy/$(x)/A"},
	} {
		for key, value := range annotations {
			want, err := desiredOf(t, map[string]string{key: identity.EscapeVariables(value)})
			require.NoError(t, err)
			assert.Equal(t, hash, want.SpecHash())
		}
	}
}

func TestSpecHashFollowsTheValues(t *testing.T) {
	hash := func(change func(*Config)) string {
		s, i, _ := newSource()
		i.add(t, object(map[string]string{api.RolePolicyAnnotation: policyWithVariables}))
		s.config.DefaultRegion = "eu-central-1"
		change(&s.config)
		want, err := s.Desired(t.Context(), key)
		require.NoError(t, err)
		return want.SpecHash()
	}
	written, err := desiredOf(t, map[string]string{api.RolePolicyAnnotation: strings.Replace(policyOfApp, "$(", "$$(", 1)})
	require.NoError(t, err)
	same := hash(func(*Config) {})
	assert.Equal(t, written.SpecHash(), same, "as if the values were written out")
	for name, change := range map[string]func(*Config){
		"region":  func(c *Config) { c.DefaultRegion = "eu-west-1" },
		"cluster": func(c *Config) { c.ClusterName = "other" },
		"account": func(c *Config) {
			c.Base = func(context.Context) (identity.BaseRole, error) {
				return identity.BaseRole{Partition: "aws-us-gov", Account: "123456789012"}, nil
			}
		},
	} {
		assert.NotEqual(t, same, hash(change), name)
	}
}

func TestAdmissionNeedsNoValues(t *testing.T) {
	for _, role := range []string{"$(namespace)", "$(account)", "$(nonsense)", "$("} {
		s, i, _ := newSource()
		s.config.Base, s.config.ClusterName = nil, ""
		i.add(t, object(map[string]string{api.RoleAnnotation: role}))
		give, err := s.Injection(t.Context(), "", "ns", "app")
		require.NoError(t, err, "the pod waits until its Secret is there")
		assert.Equal(t, "app.aws-iam", give.SecretName)
	}
}

func TestReadTellsWhatVariablesStandFor(t *testing.T) {
	s, _, _ := newSource()
	s.config.KnownBase = func() (identity.BaseRole, error) { return s.config.Base(t.Context()) }
	r := Read(object(map[string]string{
		api.ManagedPoliciesAnnotation: "arn:$(partition):iam::$(account):policy/$(region)", "other": "$(cluster)", api.DeliveryAnnotation: "$(namespace)",
	}), s.config)
	assert.Equal(t, [][2]string{{"$(account)", "012345678901"}, {"$(partition)", "aws-us-gov"}}, r.Variables)
	assert.True(t, r.Managed)
	require.Error(t, r.Err)
	assert.Empty(t, Read(object(map[string]string{api.RoleAnnotation: "app"}), s.config).Variables)
}

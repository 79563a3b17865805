package awssim

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/stretchr/testify/require"
)

func TestInvalidPoliciesAreRejected(t *testing.T) {
	const (
		syntax  = "Syntax errors in policy."
		unique  = "Statement IDs (SID) in a single policy must be unique."
		letters = "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*"
		actions = "Policy statement must contain actions."
		what    = "Policy statement must contain resources."
	)
	allow := func(elements string) string {
		return `{"Effect":"Allow","Action":"s3:*","Resource":"*"` + elements + `}`
	}
	policy := func(statements string) string { return `{"Version":"2012-10-17","Statement":[` + statements + `]}` }
	w := newWorld(t, Options{})
	_, err := w.create("app")
	require.NoError(t, err)
	for name, tc := range map[string]struct{ document, message string }{
		"two Sids":               {policy(allow(`,"Sid":"a"`) + "," + allow(`,"Sid":"a"`)), unique},
		"a Sid with a dash":      {policy(allow(`,"Sid":"a-b"`)), letters},
		"a Sid that is null":     {policy(allow(`,"Sid":null`)), syntax},
		"a key twice":            {policy(allow(`,"Action":"s3:GetObject"`)), syntax},
		"a key twice, escaped":   {policy(allow(`,"\u0041ction":"s3:GetObject"`)), syntax},
		"a version twice":        {`{"Version":"2012-10-17","Version":"2012-10-17","Statement":[` + allow("") + `]}`, syntax},
		"statements twice":       {`{"Version":"2012-10-17","Statement":[],"Statement":[` + allow("") + `]}`, syntax},
		"an operator twice":      {policy(allow(`,"Condition":{"Bool":{"a:b":"true"},"Bool":{"a:c":"true"}}`)), syntax},
		"a condition key twice":  {policy(allow(`,"Condition":{"Bool":{"a:b":"true","a:b":"false"}}`)), syntax},
		"lower case above":       {`{"version":"2012-10-17","statement":[` + allow("") + `]}`, syntax},
		"lower case":             {policy(`{"effect":"Allow","action":"s3:*","resource":"*"}`), syntax},
		"an unknown element":     {policy(allow(`,"Conditions":{}`)), syntax},
		"one that is not known":  {`{"Version":"2012-10-17","Conditions":{},"Statement":[` + allow("") + `]}`, syntax},
		"a list":                 {`[` + policy(allow("")) + `]`, syntax},
		"an Id that is a number": {`{"Id":1,"Version":"2012-10-17","Statement":[` + allow("") + `]}`, syntax},
		"a statement's text":     {policy(`"x"`), syntax},
		"null for a statement":   {policy(`null`), syntax},
		"null for a resource":    {policy(`{"Effect":"Allow","Action":"s3:*","Resource":null}`), syntax},
		"a number for an action": {policy(`{"Effect":"Allow","Action":1,"Resource":"*"}`), syntax},
		"no actions":             {policy(`{"Effect":"Allow","Action":[],"Resource":"*"}`), actions},
		"no resources":           {policy(`{"Effect":"Allow","Action":"s3:*","Resource":[]}`), what},
		"null in a condition":    {policy(allow(`,"Condition":{"Bool":{"a:b":null}}`)), syntax},
		"lists in a condition":   {policy(allow(`,"Condition":{"Bool":{"a:b":[["true"]]}}`)), syntax},
		"an action alone":        {policy(`{"Effect":"Allow","Action":"GetObject","Resource":"*"}`), "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."},
		"a resource's name":      {policy(`{"Effect":"Allow","Action":"s3:*","Resource":"bucket"}`), `Resource bucket must be in ARN format or "*".`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.iam.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: new("app"), PolicyName: new("p"), PolicyDocument: &tc.document})
			refused(t, err, "MalformedPolicyDocument", tc.message)
		})
	}
}

func TestValidPoliciesAreAccepted(t *testing.T) {
	w := newWorld(t, Options{})
	_, err := w.create("app")
	require.NoError(t, err)
	for name, document := range map[string]string{
		"one statement":       `{"Statement":{"Effect":"Deny","NotAction":["s3:*"],"NotResource":["*"]},"Id":"x","Version":"2008-10-17"}`,
		"values of all kinds": `{"Version":"2012-10-17","Statement":{"Sid":"","Effect":"Allow","Action":"*","Resource":"*","Condition":{"Bool":{"a:b":true},"NumericEquals":{"a:b":[1,"2"]},"BinaryEquals":{"a:b":"eA=="},"StringLike":{}}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.iam.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: new("app"), PolicyName: new("p"), PolicyDocument: &document})
			require.NoError(t, err)
		})
	}
}

package identity

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// one returns a policy with one statement that has a resource and the given
// elements.
func one(elements string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Resource":"*"` + elements + `}]}`
}

func TestParsePolicyNamesGrammarErrors(t *testing.T) {
	action := `,"Action":"s3:GetObject"`
	for name, tc := range map[string]struct{ text, err string }{
		"something else":               {`{"hello":"world"}`, `"hello", which is not an element of a policy: give Version and Statement, such as {"Version":"2012-10-17","Statement":[`},
		"a list":                       {`[]`, `"[]" is not a policy: give a JSON object with Version and Statement`},
		"plural":                       {`{"Version":"2012-10-17","Statements":[]}`, `the policy has "Statements", which is not an element of a policy: write Statement`},
		"lower case above":             {`{"version":"2012-10-17"}`, `the policy has "version", which is not an element of a policy: write Version`},
		"version twice":                {`{"Version":"2012-10-17","Version":"2008-10-17","Statement":[` + allow + `]}`, `the policy has Version twice: keep one of them`},
		"statement twice":              {`{"Version":"2012-10-17","Statement":[` + allow + `],"Statement":[]}`, `the policy has Statement twice`},
		"an Id that is a number":       {`{"Version":"2012-10-17","Id":1,"Statement":[` + allow + `]}`, `the Id of the policy is a number: give a string`},
		"a version that is a number":   {`{"Version":2012,"Statement":[` + allow + `]}`, `the Version is a number`},
		"a statement that is a string": {`{"Version":"2012-10-17","Statement":[` + allow + `,"x"]}`, `statement 2 is a string: give an object`},
		"a list in the list":           {`{"Version":"2012-10-17","Statement":[[` + allow + `]]}`, `statement 1 is a list: give an object`},
		"Conditions":                   {one(action + `,"Conditions":{"Bool":{"aws:SecureTransport":"true"}}`), `statement 1 has "Conditions", which is not an element of a statement: write Condition`},
		"lower case":                   {one(`,"action":"s3:GetObject"`), `statement 1 has "action", which is not an element of a statement: write Action`},
		"effect in lower case":         {`{"Version":"2012-10-17","Statement":{"effect":"Allow","Action":"*","Resource":"*"}}`, `statement 1 has "effect", which is not an element of a statement: write Effect`},
		"nothing like it":              {one(action + `,"Comment":"x"`), `statement 1 has "Comment", which is not an element of a statement: the elements are Sid, Effect,`},
		"an action twice":              {one(action + action), `statement 1 has Action twice: keep one of them`},
		"the same name, escaped":       {one(action + `,"Acti\u006fn":"*"`), `statement 1 has Action twice`},
		"two Sids":                     {`{"Version":"2012-10-17","Statement":[` + sid("a") + `,` + sid("b") + `,` + sid("a") + `]}`, `statements 1 and 3 have the same Sid, "a": give one of them another`},
		"a Sid with a dash":            {one(action + `,"Sid":"a-b"`), `statement 1 has the Sid "a-b": IAM takes letters and digits only`},
		"a Sid that is null":           {one(action + `,"Sid":null`), `statement 1 has null for Sid: give a string`},
		"two elements for resources":   {one(action + `,"NotResource":"*"`), `statement 1 needs either Resource or NotResource: it has both, keep one`},
		"null":                         {one(`,"Action":null`), `statement 1 has null for Action: give a string or a list of strings`},
		"a number":                     {one(`,"Action":7`), `statement 1 has a number for Action`},
		"an object":                    {one(`,"Action":{"a":"b"}`), `statement 1 has an object for Action`},
		"no action in the list":        {one(`,"Action":[]`), `statement 1 has an empty list for Action: give at least one`},
		"a number in the list":         {one(`,"NotAction":["s3:*",7]`), `statement 1 has a number in the list of NotAction: give strings`},
		"a list in a list":             {one(`,"Action":[["s3:*"]]`), `statement 1 has a list in the list of Action`},
		"an empty action":              {one(`,"Action":""`), `statement 1 has the Action "": give "*", or a service and an action`},
		"an action without service":    {one(`,"Action":["s3:*","GetObject"]`), `statement 1 has the Action "GetObject": give "*", or a service and an action such as s3:GetObject`},
		"a bucket's name":              {`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"bucket"}}`, `statement 1 has the Resource "bucket": give "*", or an ARN such as arn:aws:s3:::bucket/*`},
		"a resource that is null":      {`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":null}}`, `statement 1 has null for Resource: give a string or a list of strings`},
		"nobody else":                  {one(action + `,"NotPrincipal":"*"`), `statement 1 has a NotPrincipal: remove it, this policy is the role's own`},
		"a list of conditions":         {one(action + `,"Condition":[]`), `statement 1 has a list for Condition: give an object of operators`},
		"a misspelt operator":          {one(action + `,"Condition":{"StringEqual":{"a:b":"c"}}`), `statement 1 has the condition operator "StringEqual", which IAM does not know: write StringEquals`},
		"a misspelt operator of a set": {one(action + `,"Condition":{"ForAnyValue:StringLikes":{"a:b":"c"}}`), `"ForAnyValue:StringLikes", which IAM does not know: write StringLike`},
		"an operator that is none":     {one(action + `,"Condition":{"x":{"a:b":"c"}}`), `the condition operator "x", which IAM does not know: give one such as`},
		"an operator twice":            {one(action + `,"Condition":{"Bool":{"a:b":"true"},"Bool":{"a:c":"true"}}`), `statement 1 has the condition operator "Bool" twice: put its keys into one`},
		"a key without operator":       {one(action + `,"Condition":{"StringEquals":"x"}`), `statement 1 has a string for the condition operator "StringEquals": give an object of condition keys`},
		"a condition key twice":        {one(action + `,"Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8","aws:SourceIp":"0.0.0.0/0"}}`), `statement 1 has the condition key "aws:SourceIp" twice for IpAddress: put its values into one list`},
		"a condition on null":          {one(action + `,"Condition":{"StringEquals":{"a:b":null}}`), `statement 1 has null for the condition key "a:b"`},
		"an object in a condition":     {one(action + `,"Condition":{"StringEquals":{"a:b":["c",{}]}}`), `statement 1 has an object for the condition key "a:b"`},
		"half a character":             {one(`,"Action":"s3:\ud800"`), `a part of which is not Unicode text: leave that out`},
		"nested too deep":              {one(action + `,"Condition":[[[[[[[["x"]]]]]]]]`), `nested more than 8 levels deep`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParsePolicy(tc.text)
			require.ErrorContains(t, err, tc.err)
			assert.Less(t, len(err.Error()), 600, "an event holds 1,024 bytes")
			assert.NotContains(t, err.Error(), "\n")
		})
	}
}

func sid(name string) string { return strings.Replace(allow, "{", `{"Sid":"`+name+`",`, 1) }

func TestParsePolicyAcceptsWhatIAMAccepts(t *testing.T) {
	for name, text := range map[string]string{
		"an Id":                     `{"Version":"2012-10-17","Id":"x y","Statement":[` + allow + `]}`,
		"the old version":           `{"Version":"2008-10-17","Statement":[` + allow + `]}`,
		"no Sid twice":              `{"Version":"2012-10-17","Statement":[` + sid("") + `,` + sid("") + `]}`,
		"values that are no string": one(`,"Action":"*","Condition":{"Bool":{"a:b":true},"NumericEquals":{"a:b":[1,2.5,12345678901234567890]}}`),
		"no condition":              one(`,"Action":"*","Condition":{}`),
		"conditions on nothing":     one(`,"Action":"*","Condition":{"StringEquals":{},"StringLike":{"a:b":[]}}`),
		"an empty value":            one(`,"Action":"*","Condition":{"StringEquals":{"a:b":""}}`),
		"sets of values":            one(`,"Action":"*","Condition":{"ForAllValues:StringEqualsIfExists":{"a:b":"c"},"ForAnyValue:ArnNotLike":{"a:b":"c"},"Null":{"a:b":"true"}}`),
		"operators in other case":   one(`,"Action":"*","Condition":{"stringEquals":{"a:b":"c"}}`),
		"variables":                 strings.Replace(one(`,"Action":"s3:*"`), `"*"`, `"arn:aws:s3:::b/${aws:PrincipalTag/team}/*"`, 1),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParsePolicy(text)
			require.NoError(t, err)
			again, err := ParsePolicy(got)
			require.NoError(t, err)
			assert.Equal(t, got, again)
		})
	}
}

func TestParsePolicyLocatesSyntaxErrors(t *testing.T) {
	for name, tc := range map[string]struct{ text, err string }{
		"nothing":               {" \n", `" \n" is not JSON: it is empty`},
		"a comma too many":      {"{\n  \"Version\": \"2012-10-17\",\n}", "line 3, column 1: invalid character '}' looking for beginning of object key string; remove the comma before it"},
		"after empty lines":     {"\n\n  {\n  \"Version\": 1,,\n}", "line 4, column 16: invalid character ','"},
		"a comma too few":       {"{\"Version\":\"2012-10-17\"\n \"Statement\":[]}", `line 2, column 2: invalid character '"' after object key:value pair; put a comma before it`},
		"it ends too early":     {"{\"Version\":\n \"2012-10-17\"  \n", "line 2, column 14: it ends before all brackets and quotation marks are closed"},
		"single quotes":         {`{'Version'}`, `line 1, column 2: invalid character '\'' looking for beginning of object key string; JSON takes straight double quotation marks (")`},
		"characters, not bytes": {`{"ä": ü}`, "line 1, column 7: invalid character"},
		"a comment":             {"{} // x", "line 1, column 4: invalid character '/' after top-level value; remove what follows the policy"},
		"a line break":          {"{\"a\n\":1}", "line 1, column 4: invalid character '\\n' in string literal; close the quotation marks on the same line"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParsePolicy(tc.text)
			require.ErrorContains(t, err, tc.err)
			assert.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestParsePolicyTrimsWhiteSpace(t *testing.T) {
	got, err := ParsePolicy("\u00a0\u2003\n" + one(`,"Action":"*"`) + "\r\n\u3000")
	require.NoError(t, err)
	assert.Equal(t, one(`,"Action":"*"`), got)
}

func TestNearest(t *testing.T) {
	known := []string{"role", "role-policy", "managed-policies", "session-duration", "region", "delivery", "deletion-policy"}
	for word, want := range map[string]string{
		"roles": "role", "role-name": "role", "Role": "role", "role_policy": "role-policy", "rolepolicies": "role-policy",
		"managed-policy": "managed-policies", "duration": "session-duration", "session": "session-duration",
		"reigon": "region", "deletionPolicy": "deletion-policy", "policy": "role-policy",
		"session-policy": "", "hello": "", "": "", "-": "", strings.Repeat("x", 1000): "",
	} {
		assert.Equal(t, want, Nearest(word, known), word)
	}
}

func FuzzNearest(f *testing.F) {
	f.Add("roles", "role")
	f.Fuzz(func(t *testing.T, word, known string) {
		if known != "" {
			Nearest(word, []string{known})
		}
	})
}

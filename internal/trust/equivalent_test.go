package trust

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"kube-aws-iam-controller/internal/identity"
)

func TestEquivalent(t *testing.T) {
	statement := func(elements string) string {
		return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:A","s3:B"],"Resource":"*"` + elements + `}]}`
	}
	trusts := func(elements string) string {
		return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole",` + elements + `}]}`
	}
	numbers := func(value string) string { return statement(`,"Condition":{"NumericEquals":{"a:b":` + value + `}}`) }
	for name, tc := range map[string]struct {
		kind identity.PolicyKind
		a, b string
		want bool
	}{
		"itself":                       {a: statement(""), b: statement(""), want: true},
		"white space":                  {a: statement(""), b: " " + strings.ReplaceAll(statement(""), ",", " ,\n"), want: true},
		"order":                        {a: statement(""), b: strings.Replace(statement(""), `"s3:A","s3:B"`, `"s3:B","s3:A"`, 1), want: true},
		"a list of one":                {a: statement(""), b: strings.Replace(statement(""), `"*"`, `["*"]`, 1), want: true},
		"one statement alone":          {a: statement(""), b: strings.NewReplacer("[{", "{", "}]", "}").Replace(statement("")), want: true},
		"values as strings":            {a: statement(`,"Condition":{"Bool":{"a:b":true}}`), b: statement(`,"Condition":{"Bool":{"a:b":["true"]}}`), want: true},
		"a number as a string":         {a: numbers("5"), b: numbers(`"5"`), want: true},
		"another action":               {a: statement(""), b: strings.Replace(statement(""), "s3:A", "s3:C", 1)},
		"an element that is not known": {a: statement(""), b: statement(`,"Conditions":{"Bool":{"a:b":"true"}}`)},
		"one that is not known, twice": {a: statement(`,"Conditions":{}`), b: statement(`,"Conditions":{}`)},
		"unknown in the second only":   {a: trusts(`"Principal":"*"`), b: trusts(`"Principal":"*","Id":"x"`), kind: identity.TrustPolicy},
		"above":                        {a: statement(""), b: strings.Replace(statement(""), "{", `{"Condition":{},`, 1)},
		"a key twice":                  {a: statement(""), b: statement(`,"Resource":"*"`)},
		"lower case":                   {a: statement(""), b: strings.Replace(statement(""), "Effect", "effect", 1)},
		"an effect in lower case":      {a: statement(""), b: strings.Replace(statement(""), "Allow", "allow", 1)},
		"large numbers":                {a: numbers("9007199254740993"), b: numbers("9007199254740992")},
		"large numbers in a list":      {a: numbers("[1,9007199254740993]"), b: numbers("[1,9007199254740992]")},
		"parts of characters":          {a: statement(`,"Condition":{"StringEquals":{"a:b":"\ud800"}}`), b: statement(`,"Condition":{"StringEquals":{"a:b":"\ud801"}}`)},
		"bytes that are no text":       {a: statement(`,"Condition":{"StringEquals":{"a:b":"` + "\xff" + `"}}`), b: statement(`,"Condition":{"StringEquals":{"a:b":"` + "\xfe" + `"}}`)},
		"lists in lists":               {a: statement(`,"Condition":{"StringEquals":{"a:b":[["c"]]}}`), b: statement(`,"Condition":{"StringEquals":{"a:b":[["d"]]}}`)},
		"nothing":                      {},
		"a list of policies":           {a: statement(""), b: "[" + statement("") + "]"},

		"the same trust":         {kind: identity.TrustPolicy, a: trusts(`"Principal":{"AWS":"x"}`), b: trusts(`"Principal":{"AWS":["x"]}`), want: true},
		"everybody":              {kind: identity.TrustPolicy, a: trusts(`"Principal":"*"`), b: trusts(`"Principal":{"AWS":"*"}`), want: true},
		"everybody and nobody":   {kind: identity.TrustPolicy, a: trusts(`"Principal":"*"`), b: trusts(`"NotPrincipal":"*"`)},
		"somebody and everybody": {kind: identity.TrustPolicy, a: trusts(`"Principal":{"AWS":"x"}`), b: trusts(`"Principal":"*"`)},
		"somebody and nobody":    {kind: identity.TrustPolicy, a: trusts(`"Principal":{"AWS":"x"}`), b: trusts(`"NotPrincipal":{"AWS":"x"}`)},
		"somebody else, too":     {kind: identity.TrustPolicy, a: trusts(`"Principal":{"AWS":"x"}`), b: trusts(`"Principal":{"AWS":["x","y"]}`)},
		"a service, too":         {kind: identity.TrustPolicy, a: trusts(`"Principal":{"AWS":"x"}`), b: trusts(`"Principal":{"AWS":"x","Service":"y"}`)},
		"principals not known":   {kind: identity.TrustPolicy, a: trusts(`"Principal":{"AWS":"x"}`), b: trusts(`"Principal":{"AWS":"x","aws":"y"}`)},
		"principals twice":       {kind: identity.TrustPolicy, a: trusts(`"Principal":{"AWS":"x"}`), b: trusts(`"Principal":{"AWS":"y","AWS":"x"}`)},
		"trust with Conditions":  {kind: identity.TrustPolicy, a: trusts(`"Principal":{"AWS":"x"}`), b: trusts(`"Principal":{"AWS":"x"},"Conditions":{}`)},
		"another kind of policy": {kind: identity.TrustPolicy, a: statement(""), b: statement("")},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, tc.want, Equivalent(tc.kind, tc.a, tc.b))
			assert.Equal(t, tc.want, Equivalent(tc.kind, tc.b, tc.a), "the other way round")
		})
	}
}

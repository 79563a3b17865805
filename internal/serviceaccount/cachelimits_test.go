package serviceaccount

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// cachedBytes returns how many bytes of annotations the cache keeps.
func cachedBytes(t *testing.T, annotations map[string]string) (n int) {
	t.Helper()
	obj, err := Annotations{}.Transform(object(annotations))
	require.NoError(t, err)
	a, ok := obj.(*account)
	require.True(t, ok)
	for _, pair := range a.annotations {
		n += len(pair[0]) + len(pair[1])
	}
	return n
}

func TestCacheSizeIsLimited(t *testing.T) {
	nonsense := map[string]string{
		"letters":           strings.Repeat("x", 250_000),
		"a list":            `["` + strings.Repeat("x", 20_000) + `"]`,
		"a large policy":    `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"` + strings.Repeat("x", 10_240) + `","Resource":"*"}}`,
		"a policy of space": `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"` + strings.Repeat(" ", 250_000) + `","Resource":"*"}}`,
		"policies":          strings.Repeat("arn:aws:iam::aws:policy/A,", 9000) + "arn:aws:iam::aws:policy/A",
		"a partition":       "arn:aws-" + strings.Repeat("x", 250_000) + ":iam::aws:policy/A",
		"zeros":             strings.Repeat("0", 250_000) + "3600",
		"\xff":              strings.Repeat("\xff", 250_000),
		"513 bytes":         strings.Repeat("x", 513),
		"a variable":        "$(namespace)" + strings.Repeat("x", 250_000),
		"variables":         strings.Repeat("$(", 125_000),
		"a large variable":  `{"a":"$(` + strings.Repeat("x", 250_000) + `)"}`,
	}
	for title, value := range nonsense {
		for _, key := range readAnnotations {
			assert.Less(t, cachedBytes(t, map[string]string{api.RoleAnnotation: "app", key: value}), 1024, "%s: %s", key, title)
		}
	}
	all := map[string]string{}
	for _, key := range readAnnotations {
		all[key] = nonsense["\xff"]
	}
	assert.Less(t, cachedBytes(t, all), 8<<10)
	assert.Less(t, cachedBytes(t, map[string]string{api.ManagedPoliciesAnnotation: "arn:aws:iam::aws:policy/A" + strings.Repeat(" ", 250_000)}), 100)
	policy := `{ "Version": "2012-10-17",` + strings.Repeat(" ", 200_000) + ` "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"} }`
	obj, err := Annotations{}.Transform(object(map[string]string{api.RolePolicyAnnotation: policy}))
	require.NoError(t, err)
	a, ok := obj.(*account)
	require.True(t, ok)
	assert.JSONEq(t, `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`, a.annotationMap()[api.RolePolicyAnnotation], "white space costs nothing")
}

func TestErrorsOfOmittedValuesAreKept(t *testing.T) {
	statements := strings.Repeat(`{"Effect":"Allow","Action":"*","Resource":"*"},`, 20)
	for title, test := range map[string]struct{ key, value, says string }{
		"a role":             {api.RoleAnnotation, strings.Repeat("x", 250_000), strings.Repeat("x", 100) + `"… (250000 bytes)`},
		"a session":          {api.SessionDurationAnnotation, strings.Repeat("9", 100_000), "(100000 bytes) is not a session duration"},
		"a region":           {api.RegionAnnotation, strings.Repeat("a", 100_000), "(100000 bytes) is not a valid AWS Region"},
		"a delivery":         {api.DeliveryAnnotation, strings.Repeat("none", 50_000), "(200000 bytes) is invalid"},
		"a deletion policy":  {api.DeletionPolicyAnnotation, strings.Repeat("Retain", 100), "(600 bytes) is invalid"},
		"no JSON":            {api.RolePolicyAnnotation, strings.Repeat("{", 100_000), "(100000 bytes) is not JSON"},
		"one statement":      {api.RolePolicyAnnotation, `{"Version":"2012-10-17","Statement":[` + statements + `{"Effect":"allow"}]}`, `statement 21 has the Effect "allow"`},
		"too many letters":   {api.RolePolicyAnnotation, `{"Version":"2012-10-17","Statement":"` + strings.Repeat("x", 20_000) + `"}`, "the policy has 20039 characters"},
		"too long a limit":   {api.SessionPolicyAnnotation, `{"Version":"2012-10-17","Statement":"` + strings.Repeat("x", 20_000) + `"}`, "the policy has 20039 characters without white space between its parts, and STS takes 2048"},
		"one of many":        {api.ManagedPoliciesAnnotation, strings.Repeat("arn:aws:iam::aws:policy/A,", 9) + strings.Repeat("y", 1000), "(1000 bytes) is not the ARN"},
		"a great many":       {api.ManagedPoliciesAnnotation, strings.Repeat("arn:aws:iam::aws:policy/A,", 9000) + "x", "more than 25 managed policies"},
		"white space inside": {api.RolePolicyAnnotation, `{"Version":"2012-10-17","Statement":"` + strings.Repeat(" ", 200_000) + `"}`, "the policy has 200039 bytes"},
	} {
		t.Run(title, func(t *testing.T) {
			annotations := map[string]string{test.key: test.value}
			if test.key != api.RolePolicyAnnotation && test.key != api.ManagedPoliciesAnnotation && test.key != api.RoleAnnotation {
				annotations[api.RoleAnnotation] = "app"
			}
			s, i, _ := newSource()
			i.add(t, object(annotations))
			_, err := s.Desired(t.Context(), key)
			var invalid *identity.InvalidError
			require.ErrorAs(t, err, &invalid)
			assert.Contains(t, invalid.Message, test.key+": ")
			assert.Contains(t, invalid.Message, test.says)
			assert.Less(t, len(invalid.Message), 1024)
		})
	}
}

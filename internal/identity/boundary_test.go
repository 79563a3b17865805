package identity

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestBoundaryTakesAwayWhatIsCertain(t *testing.T) {
	const (
		allowS3  = `{"Effect":"Allow","Action":["s3:Get*","s3:PutObject"],"Resource":"arn:aws:s3:::bucket/*"}`
		allowAll = `{"Effect":"Allow","Action":"*","Resource":"*"}`
		butIAM   = `{"Effect":"Allow","NotAction":["iam:*","sts:*"],"Resource":"*"}`
	)
	deny := func(actions, more string) string { return `{"Effect":"Deny",` + actions + `,` + more + `}` }
	for name, tc := range map[string]struct {
		boundary []string
		action   string
		taken    bool
	}{
		"what nothing allows":                 {[]string{allowS3}, "sqs:SendMessage", true},
		"what nothing allows, by a pattern":   {[]string{allowS3}, "s3:Delete*", true},
		"in other case":                       {[]string{allowS3}, "S3:GETOBJECT", false},
		"what is allowed on some resources":   {[]string{allowS3}, "s3:GetObject", false},
		"what is allowed in part":             {[]string{allowS3}, "s3:*", false},
		"everything":                          {[]string{allowS3}, "*", false},
		"what NotAction names":                {[]string{butIAM}, "iam:PassRole", true},
		"what NotAction names in part":        {[]string{butIAM}, "i*:*", false},
		"what another statement allows":       {[]string{butIAM, allowS3}, "s3:GetObject", false},
		"what one allows that another leaves": {[]string{butIAM, `{"Effect":"Allow","Action":"iam:List*","Resource":"*"}`}, "iam:*", false},

		"what is denied":                       {[]string{allowAll, deny(`"Action":"iam:*"`, `"Resource":"*"`)}, "iam:PassRole", true},
		"what is denied, by a pattern":         {[]string{allowAll, deny(`"Action":"iam:*"`, `"Resource":["arn:aws:iam::*:role/x","*"]`)}, "iam:*Role", true},
		"what is denied in part":               {[]string{allowAll, deny(`"Action":"iam:Create*"`, `"Resource":"*"`)}, "iam:*", false},
		"what is denied on some resources":     {[]string{allowAll, deny(`"Action":"iam:*"`, `"Resource":"arn:aws:iam::*:role/*"`)}, "iam:PassRole", false},
		"what is denied on others":             {[]string{allowAll, deny(`"Action":"iam:*"`, `"NotResource":"arn:aws:iam::*:role/x"`)}, "iam:PassRole", false},
		"what is denied under a condition":     {[]string{allowAll, deny(`"Action":"iam:*"`, `"Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}`)}, "iam:PassRole", false},
		"all but what NotAction denies":        {[]string{allowAll, deny(`"NotAction":"s3:*"`, `"Resource":"*"`)}, "iam:PassRole", true},
		"what NotAction does not deny":         {[]string{allowAll, deny(`"NotAction":"s3:*"`, `"Resource":"*"`)}, "s3:GetObject", false},
		"what NotAction does not deny in part": {[]string{allowAll, deny(`"NotAction":"s3:*"`, `"Resource":"*"`)}, "*", false},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := ParseBoundary(policyOf(tc.boundary...))
			require.NoError(t, err)
			assert.Equal(t, tc.taken, b.takesAway(tc.action))
		})
	}
	var unknown *Boundary
	assert.False(t, unknown.takesAway("iam:*"))
	assert.Empty(t, unknown.TakenAway(policyOf(allowAll)))
	_, err := ParseBoundary("no policy")
	require.Error(t, err)
}

func TestHintsTakeTheBoundaryIntoAccount(t *testing.T) {
	text, err := os.ReadFile("../../examples/iam/permissions-boundary.json")
	require.NoError(t, err)
	boundary, err := ParseBoundary(string(text))
	require.NoError(t, err)
	policy := policyOf(
		`{"Effect":"Allow","Action":["s3:GetObject","iam:PassRole"],"Resource":"*"}`,
		`{"Effect":"Allow","Action":["iam:*","ec2:*"],"Resource":"*"}`,
		`{"Effect":"Deny","Action":"iam:*","Resource":"*"}`,
		`{"Effect":"Allow","Action":"*","Resource":"*"}`,
		`{"Effect":"Allow","Action":"sqs:*","Resource":"*"}`,
	)
	assert.Equal(t, []string{`"iam:PassRole" of statement 1`, `"iam:*, ec2:*" of statement 2`}, boundary.TakenAway(policy))
	hints := PolicyHints(policy, boundary)
	require.Len(t, hints, 2)
	assert.Contains(t, hints[0], "statement 4 allows all actions")
	assert.Contains(t, hints[1], `statement 5 allows "sqs:*"`)
	assert.Len(t, PolicyHints(policy, nil), 4)

	part, err := ParseBoundary(policyOf(`{"Effect":"Allow","Action":"*","Resource":"*"}`, `{"Effect":"Deny","Action":"iam:PassRole","Resource":"*"}`))
	require.NoError(t, err)
	hints = PolicyHints(policyOf(`{"Effect":"Allow","Action":"iam:*","Resource":"*"}`), part)
	require.Len(t, hints, 1)
	assert.Contains(t, hints[0], `allows "iam:*" on all resources`, "the rest is left")
}

func TestHintsAboutManagedPolicies(t *testing.T) {
	const prefix = "arn:aws:iam::aws:policy/"
	arns := []string{prefix + "AdministratorAccess", prefix + "AdministratorAccess-Amplify", "arn:aws-cn:iam::aws:policy/IAMFullAccess", prefix + "PowerUserAccess", "arn:aws:iam::123456789012:policy/PowerUserAccess", prefix + "job-function/ViewOnlyAccess"}
	hints := ManagedPolicyHints(arns, nil)
	require.Len(t, hints, 3)
	assert.Equal(t, `"arn:aws:iam::aws:policy/AdministratorAccess" allows all actions on all resources: name what is needed in iam.amazonaws.com/role-policy`, hints[0])
	assert.Contains(t, hints[1], "PowerUserAccess")
	assert.Contains(t, hints[2], "aws-cn:iam::aws:policy/IAMFullAccess")
	noIAM, err := ParseBoundary(policyOf(`{"Effect":"Allow","NotAction":"iam:*","Resource":"*"}`))
	require.NoError(t, err)
	assert.Len(t, ManagedPolicyHints(arns, noIAM), 2)
	assert.Empty(t, ManagedPolicyHints(nil, nil))
}

// FuzzBoundary compares what a boundary takes away with what it allows of single actions.
func FuzzBoundary(f *testing.F) {
	f.Add("s3:Get*", "iam:*", "s3:*", false, false)
	f.Add("iam:*", "s3:*", "i?m:Pass*", true, false)
	f.Add("*", "s3:*", "*:*", false, true)
	f.Fuzz(func(t *testing.T, allow, deny, action string, notAllow, notDeny bool) {
		if len(allow)+len(deny)+len(action) > 100 || strings.ContainsAny(allow+deny+action, `"\`) || !utf8.ValidString(action) {
			return
		}
		name := map[bool]string{false: "Action", true: "NotAction"}
		b, err := ParseBoundary(policyOf(`{"Effect":"Allow","`+name[notAllow]+`":"`+allow+`","Resource":"*"}`, `{"Effect":"Deny","`+name[notDeny]+`":"`+deny+`","Resource":"*"}`))
		if err != nil || !b.takesAway(action) {
			return
		}
		for _, text := range []string{"", "x", "s3:GetObject", "iam:PassRole"} {
			one := strings.NewReplacer("*", text, "?", "x").Replace(action)
			allowed := matchesPlain(allow, one) != notAllow && matchesPlain(deny, one) == notDeny
			assert.False(t, allowed, "%s of %s is allowed", one, action)
		}
	})
}

// matchesPlain reports whether a pattern matches an action.
func matchesPlain(pattern, action string) bool {
	expression := strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(strings.ToLower(pattern)))
	return regexp.MustCompile("(?s)^" + expression + "$").MatchString(strings.ToLower(action))
}

package awssim

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// policyOf returns an identity policy that allows an action on all resources.
func policyOf(action string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"` + action + `","Resource":"*"}]}`
}

func under(policy string) func(*sts.AssumeRoleInput) {
	return func(in *sts.AssumeRoleInput) { in.Policy = &policy }
}

func credentialsOf(out *sts.AssumeRoleOutput) aws.Credentials {
	return aws.Credentials{
		AccessKeyID: *out.Credentials.AccessKeyId, SecretAccessKey: *out.Credentials.SecretAccessKey, SessionToken: *out.Credentials.SessionToken,
	}
}

// packedSize returns what a response says of the packed size, 0 for nothing.
func packedSize(out *sts.AssumeRoleOutput) int32 {
	return aws.ToInt32(out.PackedPolicySize) //nolint:staticcheck // AWS still returns it
}

// limitedTo returns a session of a role under a session policy.
func (w *world) limitedTo(arn, policy string) aws.Credentials {
	w.t.Helper()
	out, err := w.assume(w.user("admin"), arn, under(policy))
	require.NoError(w.t, err)
	assert.Positive(w.t, packedSize(out))
	return credentialsOf(out)
}

func TestSessionPolicyLimitsTheSession(t *testing.T) {
	for name, role := range map[string]RoleSpec{
		"with all permissions": {Admin: true},
		"with a policy":        {Policies: map[string]string{"p": policyOf("*")}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, Options{})
			role.Name, role.Trust = "app", trust(`{"AWS":"`+home+`"}`)
			arn := w.add(role)
			call := func(creds aws.Credentials) error {
				_, err := w.iamAs(creds).GetRole(t.Context(), &iam.GetRoleInput{RoleName: new("app")})
				return err
			}
			out, err := w.assume(w.user("admin"), arn)
			require.NoError(t, err)
			assert.Zero(t, packedSize(out))
			require.NoError(t, call(credentialsOf(out)), "without one")
			require.NoError(t, call(w.limitedTo(arn, policyOf("iam:Get*"))))
			refused(t, call(w.limitedTo(arn, harmless)), "AccessDenied", "role app because no session policy allows the iam:GetRole action")
			denying := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"iam:*","Resource":"*"}]}`
			refused(t, call(w.limitedTo(arn, denying)), "AccessDenied", "role app with an explicit deny in a session policy")

			limited := w.limitedTo(arn, harmless)
			_, err = w.stsAs(limited).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
			require.NoError(t, err, "which needs no permission")
			for action, want := range map[string]bool{"s3:GetObject": true, "s3:PutObject": false} {
				got, err := w.Allows(limited.AccessKeyID, action, "arn:aws:s3:::bucket/key", nil)
				require.NoError(t, err)
				assert.Equal(t, want, got, action)
			}
		})
	}
}

func TestSessionPolicyGrantsNothing(t *testing.T) {
	w := newWorld(t, Options{})
	arn := w.add(RoleSpec{Name: "app", Trust: trust(`{"AWS":"` + home + `"}`), Policies: map[string]string{"p": harmless}})
	_, err := w.iamAs(w.limitedTo(arn, policyOf("*"))).GetRole(t.Context(), &iam.GetRoleInput{RoleName: new("app")})
	refused(t, err, "AccessDenied", "because no identity-based policy allows the iam:GetRole action")
}

func TestSessionPolicyLimitsRoleChaining(t *testing.T) {
	w := newWorld(t, Options{})
	first := w.add(RoleSpec{Name: "first", Trust: trust(`{"AWS":"` + home + `"}`), Admin: true})
	named := w.add(RoleSpec{Name: "named", Trust: trust(`{"AWS":"` + first + `"}`), Admin: true})
	delegated := w.add(RoleSpec{Name: "delegated", Trust: trust(`{"AWS":"` + home + `"}`)})
	foreign := w.add(RoleSpec{Account: other, Name: "foreign", Trust: trust(`{"AWS":"` + home + `"}`)})
	for _, next := range []string{named, delegated, foreign} {
		assert.True(t, w.trusted(w.limitedTo(first, policyOf("sts:*")), next))
		assert.False(t, w.trusted(w.limitedTo(first, harmless), next), "whether or not the trust policy names the role")
	}
	out, err := w.assume(w.limitedTo(first, policyOf("sts:*")), named)
	require.NoError(t, err)
	_, err = w.iamAs(credentialsOf(out)).GetRole(t.Context(), &iam.GetRoleInput{RoleName: new("named")})
	require.NoError(t, err, "the next session has a policy of its own, or none")
}

func TestMalformedSessionPolicyIsRefused(t *testing.T) {
	w := newWorld(t, Options{})
	arn := w.add(RoleSpec{Name: "app", Trust: trust(`{"AWS":"` + home + `"}`)})
	long := strings.Replace(harmless, `"Effect"`, `"Sid":"`+strings.Repeat("a", maxSessionPolicy-len(harmless)-len(`"Sid":"",`))+`","Effect"`, 1)
	require.Len(t, long, maxSessionPolicy)
	w.limitedTo(arn, long)
	for name, tc := range map[string]struct{ policy, code, message string }{
		"no JSON":     {"{", "MalformedPolicyDocument", "This policy contains invalid Json"},
		"no policy":   {`{"Statement":{"Effect":"allow"}}`, "MalformedPolicyDocument", "Syntax errors in policy."},
		"a principal": {serviceTrust, "MalformedPolicyDocument", "Policy document should not specify a principal."},
		"empty":       {"", "ValidationError", "Value at 'policy' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		"too long":    {strings.Replace(long, "aaa", "aaaa", 1), "ValidationError", "Value at 'policy' failed to satisfy constraint: Member must have length less than or equal to 2048"},
		"characters":  {strings.Replace(harmless, "s3", "\u0100", 1), "ValidationError", "regular expression pattern"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.assume(w.user("admin"), arn, under(tc.policy))
			refused(t, err, tc.code, tc.message)
		})
	}
	_, err := w.assume(w.user("admin"), arn, func(in *sts.AssumeRoleInput) {
		in.PolicyArns = []types.PolicyDescriptorType{{Arn: new("arn:aws:iam::aws:policy/ReadOnlyAccess")}}
	})
	refused(t, err, "InvalidAction", "not simulated")
}

// incompressible is a policy of nearly the maximum length whose parts have nothing in
// common.
func incompressible() string {
	var arns []string
	for len(arns) < 25 {
		arns = append(arns, `"arn:aws:s3:::`+strings.ToLower(newID("", 60))+`"`)
	}
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":[` + strings.Join(arns, ",") + `]}]}`
}

func TestPackedSizeIsLimited(t *testing.T) {
	w := newWorld(t, Options{})
	arn := w.add(RoleSpec{Name: "app", Trust: trust(`{"AWS":"` + home + `"}`)})
	require.LessOrEqual(t, len(incompressible()), maxSessionPolicy)
	_, err := w.assume(w.user("admin"), arn, under(incompressible()))
	refused(t, err, "PackedPolicyTooLarge", "% of allotted space, please use smaller policy.")

	tagged := func(tags int) func(*sts.AssumeRoleInput) {
		return func(in *sts.AssumeRoleInput) {
			for i := range tags {
				in.Tags = append(in.Tags, types.Tag{Key: new(fmt.Sprint("key-", i)), Value: new(newID("", 200))})
			}
		}
	}
	out, err := w.assume(w.user("admin"), arn, under(harmless))
	require.NoError(t, err)
	alone := packedSize(out)
	out, err = w.assume(w.user("admin"), arn, under(harmless), tagged(3))
	require.NoError(t, err)
	assert.Greater(t, packedSize(out), alone, "tags count, too")
	_, err = w.assume(w.user("admin"), arn, under(harmless), tagged(20))
	refused(t, err, "PackedPolicyTooLarge", "Packed policy consumes ")
	_, err = w.assume(w.user("admin"), arn, tagged(20))
	refused(t, err, "PackedPolicyTooLarge", "Packed size of session tags consumes ")
}

func TestWebIdentitySessionsHavePolicies(t *testing.T) {
	s := New(Options{})
	q := &request{Sim: s, form: parseForm([]byte("RoleArn=arn:aws:iam::123456789012:role/app&RoleSessionName=test&Policy=%7B")), caller: &principal{}}
	_, failure := q.webAssumption()
	require.NotNil(t, failure)
	assert.Equal(t, "MalformedPolicyDocument", failure.code)
}

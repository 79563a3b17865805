package identity

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/api"
)

func TestSecretNeverPrints(t *testing.T) {
	c := Credentials{AccessKeyID: "hunter1", SecretAccessKey: "hunter2", SessionToken: "hunter3"}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		assert.NotContains(t, fmt.Sprintf(verb, c), "hunter", verb)
		assert.NotContains(t, fmt.Sprintf(verb, &c), "hunter", verb)
		assert.NotContains(t, fmt.Sprintf(verb, c.SecretAccessKey), "68756e746572", verb)
	}
	b, err := json.Marshal(c) //nolint:musttag // how it prints without tags is the question
	require.NoError(t, err)
	assert.NotContains(t, string(b), "hunter")
	assert.Equal(t, "hunter2", c.SecretAccessKey.Reveal())
}

func TestParseRole(t *testing.T) {
	tests := map[string]struct {
		value   string
		want    RoleReference
		wantErr string
	}{
		"a name":                            {value: "app", want: RoleReference{Name: "app"}},
		"a name of every allowed character": {value: "a_B+9=x,y.z@w-v", want: RoleReference{Name: "a_B+9=x,y.z@w-v"}},
		"a path and a name":                 {value: "team/app", want: RoleReference{Path: "team/", Name: "app"}},
		"an ARN":                            {value: "arn:aws:iam::123456789012:role/app", want: RoleReference{Partition: "aws", Account: "123456789012", Name: "app"}},
		"an ARN with a path":                {value: "arn:aws:iam::123456789012:role/a/b/app", want: RoleReference{Partition: "aws", Account: "123456789012", Path: "a/b/", Name: "app"}},
		"an ARN whose path has colons":      {value: "arn:aws:iam::123456789012:role/a:b/app", want: RoleReference{Partition: "aws", Account: "123456789012", Path: "a:b/", Name: "app"}},
		"China":                             {value: "arn:aws-cn:iam::123456789012:role/app", want: RoleReference{Partition: "aws-cn", Account: "123456789012", Name: "app"}},
		"GovCloud":                          {value: "arn:aws-us-gov:iam::123456789012:role/app", want: RoleReference{Partition: "aws-us-gov", Account: "123456789012", Name: "app"}},
		"an isolated partition":             {value: "arn:aws-iso-b:iam::123456789012:role/app", want: RoleReference{Partition: "aws-iso-b", Account: "123456789012", Name: "app"}},
		"the European sovereign cloud":      {value: "arn:aws-eusc:iam::123456789012:role/app", want: RoleReference{Partition: "aws-eusc", Account: "123456789012", Name: "app"}},
		"thirty path levels":                {value: strings.Repeat("a/", 30) + "app", want: RoleReference{Path: strings.Repeat("a/", 30), Name: "app"}},
		"nothing":                           {value: "", wantErr: "the role is empty"},
		"white space around it":             {value: " app", wantErr: `" app" does not name a role`},
		"a newline at the end":              {value: "app\n", wantErr: `"app\n" does not name a role`},
		"65 characters":                     {value: strings.Repeat("a", 65), wantErr: "does not name a role"},
		"a slash in front":                  {value: "/team/app", wantErr: "malformed path"},
		"an empty path level":               {value: "a//app", wantErr: "malformed path"},
		"a slash at the end":                {value: "team/", wantErr: "does not name a role"},
		"a control character in the path":   {value: "a\x00b/app", wantErr: "malformed path"},
		"letters beyond ASCII":              {value: "rôle", wantErr: "does not name a role"},
		"a path of 511 characters":          {value: strings.Repeat("a", 510) + "/app", want: RoleReference{Path: strings.Repeat("a", 510) + "/", Name: "app"}},
		"a path too long":                   {value: strings.Repeat("a", 511) + "/app", wantErr: "malformed path"},
		"300 kB":                            {value: strings.Repeat("a", 300_000), wantErr: "(300000 bytes) does not name a role"},
		"a user's ARN":                      {value: "arn:aws:iam::123456789012:user/app", wantErr: "not the ARN of a role"},
		"an instance profile's ARN":         {value: "arn:aws:iam::123456789012:instance-profile/app", wantErr: "not the ARN of a role"},
		"a session's ARN":                   {value: "arn:aws:sts::123456789012:assumed-role/app/x", wantErr: "not the ARN of an IAM role"},
		"an ARN of eleven digits":           {value: "arn:aws:iam::12345678901:role/app", wantErr: "not the ARN of an IAM role: the account 12345678901 has 11 digits and account IDs have 12, including leading zeros; expected"},
		"an ARN without account":            {value: "arn:aws:iam:::role/app", wantErr: "not the ARN of an IAM role"},
		"an ARN with a region":              {value: "arn:aws:iam:eu-central-1:123456789012:role/app", wantErr: "not the ARN of an IAM role"},
		"an ARN cut short":                  {value: "arn:aws:iam", wantErr: "not the ARN of an IAM role"},
		"another company's partition":       {value: "arn:azure:iam::123456789012:role/app", wantErr: "not the ARN of an IAM role"},
		"an ARN in capitals":                {value: "ARN:aws:iam::123456789012:role/app", want: RoleReference{Path: "ARN:aws:iam::123456789012:role/", Name: "app"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := ParseRole(tc.value)
			if tc.wantErr != "" {
				require.ErrorContains(t, err, tc.wantErr)
				assert.Less(t, len(err.Error()), 900, "an event holds 1,024 bytes")
				return
			}
			require.NoError(t, err)
			assert.Equal(t, tc.want, got)
			assert.True(t, strings.HasSuffix(tc.value, got.String()))
		})
	}
}

func TestReadRoleIgnoresSurroundings(t *testing.T) {
	for value, want := range map[string]string{
		"app\n": "app", " app": "app", "/team/app": "team/app", "/app": "app", "\u00a0/team/app\r\n": "team/app",
		"arn:aws:iam::123456789012:role/app ": "arn:aws:iam::123456789012:role/app",
	} {
		got, err := ReadRole(value)
		require.NoError(t, err, value)
		assert.Equal(t, want, got.String())
	}
	for value, says := range map[string]string{"//app": "malformed path", "/": "the role is empty", " ": "the role is empty", "a pp": "does not name a role"} {
		_, err := ReadRole(value)
		assert.ErrorContains(t, err, says, value)
	}
}

func TestResolve(t *testing.T) {
	tests := map[string]struct{ base, role, want string }{
		"a name":                              {"arn:aws-cn:iam::123456789012:role/", "app", "arn:aws-cn:iam::123456789012:role/app"},
		"a path below the base's path":        {"arn:aws:iam::123456789012:role/k8s/", "a/app", "arn:aws:iam::123456789012:role/k8s/a/app"},
		"a base that is the start of a name":  {"arn:aws:iam::123456789012:role/kube-", "app", "arn:aws:iam::123456789012:role/kube-app"},
		"an ARN of another account stays":     {"arn:aws:iam::123456789012:role/", "arn:aws:iam::999999999999:role/app", "arn:aws:iam::999999999999:role/app"},
		"a base that ends in the letter used": {"arn:aws:iam::123456789012:role/x", "app", "arn:aws:iam::123456789012:role/xapp"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			base, err := ParseBaseRole(tc.base)
			require.NoError(t, err)
			assert.Equal(t, tc.base, base.String())
			role, err := ParseRole(tc.role)
			require.NoError(t, err)
			got, err := role.Resolve(base)
			require.NoError(t, err)
			assert.Equal(t, tc.want, got.String())
		})
	}
}

func TestResolveRejectsTooLongNames(t *testing.T) {
	base, err := ParseBaseRole("arn:aws:iam::123456789012:role/kube-")
	require.NoError(t, err)
	_, err = RoleReference{Name: strings.Repeat("a", 60)}.Resolve(base)
	assert.ErrorContains(t, err, "does not name a role")
}

func TestParseBaseRoleNamesTheRemedy(t *testing.T) {
	for _, value := range []string{"", "role/", "arn:aws:iam::123456789012:role", "arn:aws:iam::12:role/", "arn:aws:iam::123456789012:user/"} {
		_, err := ParseBaseRole(value)
		require.ErrorContains(t, err, Quote(value)+" is not a base role ARN", value)
	}
	_, err := ParseBaseRole("arn:aws:iam::12345678901:role/")
	assert.ErrorContains(t, err, "the account 12345678901 has 11 digits and account IDs have 12")
}

func TestSameRole(t *testing.T) {
	ref := func(value string) RoleReference {
		r, err := ParseRole(value)
		require.NoError(t, err)
		return r
	}
	own := ref("arn:aws:iam::123456789012:role/infra/Controller")
	assert.True(t, own.SameRole(ref("arn:aws:iam::123456789012:role/infra/Controller")))
	assert.True(t, own.SameRole(ref("arn:aws:iam::123456789012:role/controller")), "path and case do not make another role")
	assert.True(t, own.SameRole(ref("arn:aws-cn:iam::123456789012:role/controller")), "nor does the partition's spelling")
	assert.False(t, own.SameRole(ref("arn:aws:iam::999999999999:role/infra/Controller")))
	assert.False(t, own.SameRole(ref("arn:aws:iam::123456789012:role/infra/Controller2")))
	assert.False(t, RoleReference{Name: "a"}.SameRole(RoleReference{Name: "a"}), "names without an account say nothing")
}

func TestParseSession(t *testing.T) {
	tests := map[string]struct {
		value   string
		want    time.Duration
		wantErr string
	}{
		"seconds":             {value: "3600", want: time.Hour},
		"a duration":          {value: "1h30m", want: 90 * time.Minute},
		"the shortest":        {value: "900", want: 15 * time.Minute},
		"the longest":         {value: "12h", want: 12 * time.Hour},
		"too short":           {value: "899", wantErr: "14m59s is not possible"},
		"too long":            {value: "43201", wantErr: "12h0m1s is not possible"},
		"negative":            {value: "-3600", wantErr: "not a session duration"},
		"a negative duration": {value: "-1h", wantErr: "-1h0m0s is not possible"},
		"a fraction":          {value: "1h0.5s", wantErr: "whole seconds"},
		"nothing":             {value: "", wantErr: `"" is not a session duration`},
		"words":               {value: "one hour", wantErr: `"one hour" is not a session duration`},
		"more than fits":      {value: "99999999999999999999", wantErr: "not a session duration"},
		"just beyond 32 bits": {value: "4294967296", wantErr: "not a session duration"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := ParseSessionDuration(tc.value)
			if tc.wantErr != "" {
				require.ErrorContains(t, err, tc.wantErr)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, tc.want, got)
		})
	}
}

func TestSpecHashDependsOnTheRequestOnly(t *testing.T) {
	d := Desired{Role: RoleReference{Name: "app"}, SessionDuration: time.Hour, ExternalID: "ns/cluster"}
	hash := d.SpecHash()
	changes := map[string]func(*Desired){
		"role":        func(d *Desired) { d.Role.Name = "other" },
		"duration":    func(d *Desired) { d.SessionDuration = 2 * time.Hour },
		"external ID": func(d *Desired) { d.ExternalID = "ns/other" },
		"generation":  func(d *Desired) { d.Generation = 2 },
		"object":      func(d *Desired) { d.UID = "recreated" },
	}
	for name, change := range changes {
		other := d
		change(&other)
		assert.NotEqual(t, hash, other.SpecHash(), name)
	}
	d.Labels = map[string]string{"a": "b"}
	assert.Equal(t, hash, d.SpecHash())
	assert.Equal(t, "kept", d.LastGood(RoleReference{Name: "old"}, time.Hour, "", "kept").SpecHash())
}

func TestQuoteCutsBetweenCharacters(t *testing.T) {
	got := Quote(strings.Repeat("ä", 200))
	assert.Equal(t, `"`+strings.Repeat("ä", 50)+`"… (400 bytes)`, got)
	assert.Equal(t, `"a\nb"`, Quote("a\nb"))
	assert.NotPanics(t, func() { Quote(strings.Repeat("\x80", 200)) })
}

func TestInvalidErrorIsFoundWhenWrapped(t *testing.T) {
	var invalid *InvalidError
	require.ErrorAs(t, fmt.Errorf("x: %w", &InvalidError{Reason: api.InvalidAnnotation, Message: "m"}), &invalid)
	assert.Equal(t, "m", invalid.Error())
	assert.Equal(t, "serviceaccount/ns/app", Key{Source: ServiceAccount, Namespace: "ns", Name: "app"}.String())
}

func FuzzParseRole(f *testing.F) {
	for _, seed := range []string{"app", "a/b/app", "arn:aws:iam::123456789012:role/a:b/app", "arn:aws:iam::123456789012:user/x", "", "/", "arn:", "arn:::::"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		ref, err := ParseRole(value)
		if err != nil {
			if len(err.Error()) > 1000 {
				t.Fatalf("a message of %d bytes", len(err.Error()))
			}
			return
		}
		if ref.String() != value {
			t.Fatalf("%q came back as %q", value, ref.String())
		}
		if _, err := ref.Resolve(BaseRole{Partition: "aws", Account: "123456789012"}); err != nil {
			t.Fatalf("%q does not resolve: %v", value, err)
		}
	})
}

func FuzzParseSession(f *testing.F) {
	f.Add("3600")
	f.Add("1h")
	f.Fuzz(func(t *testing.T, value string) {
		if d, err := ParseSessionDuration(value); err == nil && (d < MinSession || d > MaxSession) {
			t.Fatalf("%q gave %s", value, d)
		}
	})
}

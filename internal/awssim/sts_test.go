package awssim

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func (w *world) assume(creds aws.Credentials, arn string, change ...func(*sts.AssumeRoleInput)) (*sts.AssumeRoleOutput, error) {
	in := &sts.AssumeRoleInput{RoleArn: &arn, RoleSessionName: new("session")}
	for _, c := range change {
		c(in)
	}
	return w.stsAs(creds).AssumeRole(w.t.Context(), in)
}

func (w *world) trusted(creds aws.Credentials, arn string) bool {
	w.t.Helper()
	_, err := w.assume(creds, arn)
	if err != nil {
		refused(w.t, err, "AccessDenied", "is not authorized to perform: sts:AssumeRole on resource: "+arn)
	}
	return err == nil
}

func trust(principal string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":` + principal + `,"Action":["sts:AssumeRole","sts:TagSession"]}]}`
}

func TestAssumeRoleIssuesSession(t *testing.T) {
	w := newWorld(t, Options{})
	arn := w.add(RoleSpec{Path: "/a/b/", Name: "app", Trust: trust(`{"AWS":"` + home + `"}`)})
	out, err := w.assume(w.user("admin"), arn)
	require.NoError(t, err)
	assert.Equal(t, "arn:aws:sts::"+home+":assumed-role/app/session", aws.ToString(out.AssumedRoleUser.Arn), "without the path")
	assert.Regexp(t, `^AROA[A-Z2-7]{17}:session$`, aws.ToString(out.AssumedRoleUser.AssumedRoleId))
	assert.WithinDuration(t, time.Now().Add(time.Hour), *out.Credentials.Expiration, time.Minute)

	session := aws.Credentials{
		AccessKeyID: *out.Credentials.AccessKeyId, SecretAccessKey: *out.Credentials.SecretAccessKey, SessionToken: *out.Credentials.SessionToken,
	}
	who, err := w.stsAs(session).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	require.NoError(t, err)
	assert.Equal(t, aws.ToString(out.AssumedRoleUser.Arn), aws.ToString(who.Arn))
	assert.Equal(t, aws.ToString(out.AssumedRoleUser.AssumedRoleId), aws.ToString(who.UserId))
	assert.Equal(t, home, aws.ToString(who.Account))
	assert.Subset(t, w.IssuedSecrets(), []string{session.AccessKeyID, session.SecretAccessKey, session.SessionToken})

	w.pass(time.Hour + time.Second)
	_, err = w.stsAs(session).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	refused(t, err, "ExpiredToken", "expired")
}

func TestSessionLimits(t *testing.T) {
	w := newWorld(t, Options{})
	controller := w.add(RoleSpec{Name: "controller"})
	arn := w.add(RoleSpec{Name: "app", Trust: trust(`{"AWS":["` + controller + `","` + home + `"]}`), MaxSessionDuration: 7200})
	user, role := w.user("admin"), w.session("controller")
	lasting := func(seconds int32) func(*sts.AssumeRoleInput) {
		return func(in *sts.AssumeRoleInput) { in.DurationSeconds = &seconds }
	}
	_, err := w.assume(user, arn, lasting(7200))
	require.NoError(t, err)
	_, err = w.assume(user, arn, lasting(7201))
	refused(t, err, "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	_, err = w.assume(role, arn, lasting(3600))
	require.NoError(t, err)
	_, err = w.assume(role, arn, lasting(3601))
	refused(t, err, "ValidationError", "exceeds the 1 hour session limit for roles assumed by role chaining.")
	for _, seconds := range []int32{0, 899, 43201} {
		_, err = w.assume(user, arn, lasting(seconds))
		refused(t, err, "ValidationError", "DurationSeconds")
	}
	w.Set(Settings{Session: new(Duration(20 * time.Second))})
	out, err := w.assume(user, arn)
	require.NoError(t, err)
	assert.WithinDuration(t, time.Now().Add(20*time.Second), *out.Credentials.Expiration, time.Minute)
}

func TestMalformedAssumeRoleIsRefused(t *testing.T) {
	w := newWorld(t, Options{})
	arn := w.add(RoleSpec{Name: "app", Trust: trust(`"*"`)})
	creds := w.user("admin")
	for name, change := range map[string]func(*sts.AssumeRoleInput){
		"short session name":   func(in *sts.AssumeRoleInput) { in.RoleSessionName = new("x") },
		"long session name":    func(in *sts.AssumeRoleInput) { in.RoleSessionName = new(strings.Repeat("x", 65)) },
		"slash in the session": func(in *sts.AssumeRoleInput) { in.RoleSessionName = new("a/b") },
		"short external ID":    func(in *sts.AssumeRoleInput) { in.ExternalId = new("x") },
		"odd external ID":      func(in *sts.AssumeRoleInput) { in.ExternalId = new("a b") },
		"long external ID":     func(in *sts.AssumeRoleInput) { in.ExternalId = new(strings.Repeat("x", 1225)) },
		"not an ARN":           func(in *sts.AssumeRoleInput) { in.RoleArn = new("app-app-app-app-app-app") },
		"ARN of a user":        func(in *sts.AssumeRoleInput) { in.RoleArn = new("arn:aws:iam::" + home + ":user/app") },
		"other partition":      func(in *sts.AssumeRoleInput) { in.RoleArn = new("arn:aws-cn:iam::" + home + ":role/app") },
		"a tag's key":          func(in *sts.AssumeRoleInput) { in.Tags = []types.Tag{{Key: new("a!"), Value: new("b")}} },
		"a tag's value": func(in *sts.AssumeRoleInput) {
			in.Tags = []types.Tag{{Key: new("a"), Value: new(strings.Repeat("b", 257))}}
		},
		"source identity": func(in *sts.AssumeRoleInput) { in.SourceIdentity = new("a b") },
	} {
		_, err := w.assume(creds, arn, change)
		refused(t, err, "ValidationError", "")
		require.Error(t, err, name)
	}
	_, err := w.assume(creds, arn, func(in *sts.AssumeRoleInput) {
		in.Tags = []types.Tag{{Key: new("a"), Value: new("b")}, {Key: new("A"), Value: new("b")}}
	})
	refused(t, err, "InvalidInput", "case insensitive")
	assert.False(t, w.trusted(creds, "arn:aws:iam::"+home+":role/no-such-role"))
	assert.False(t, w.trusted(creds, "arn:aws:iam::"+home+":role/wrong/path/app"), "the path must match")
	assert.False(t, w.trusted(creds, "arn:aws:iam::"+home+":role/APP"), "the name is case-sensitive")
}

func TestDisabledRegionRefusesAssumeRole(t *testing.T) {
	w := newWorld(t, Options{})
	arn := w.add(RoleSpec{Name: "app", Trust: trust(`"*"`)})
	w.Set(Settings{DisabledAccounts: &[]string{home}})
	_, err := w.assume(w.user("admin"), arn)
	refused(t, err, "RegionDisabledException", home)
}

func TestOtherPartitions(t *testing.T) {
	w := newWorld(t, Options{Partition: "aws-us-gov"})
	arn := w.add(RoleSpec{Name: "app", Trust: trust(`{"AWS":"arn:aws-us-gov:iam::` + home + `:root"}`)})
	assert.Equal(t, "arn:aws-us-gov:iam::"+home+":role/app", arn)
	assert.True(t, w.trusted(w.user("admin"), arn))
}

func TestSessionTagsNeedTagSession(t *testing.T) {
	w := newWorld(t, Options{})
	statement := func(action, condition string) string {
		return `{"Effect":"Allow","Principal":{"AWS":"` + home + `"},"Action":"` + action + `"` + condition + `}`
	}
	external := `,"Condition":{"StringEquals":{"sts:ExternalId":"ns/cluster"}}`
	policy := func(statements ...string) string {
		return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
	}
	tagged := func(in *sts.AssumeRoleInput) {
		in.ExternalId = new("ns/cluster")
		in.Tags = []types.Tag{{Key: new("team"), Value: new("a")}}
	}
	creds := w.user("admin")
	without := w.add(RoleSpec{Name: "without", Trust: policy(statement("sts:AssumeRole", external))})
	_, err := w.assume(creds, without, tagged)
	refused(t, err, "AccessDenied", "sts:TagSession")

	// TagSession has no condition key sts:ExternalId, so a single statement for both actions does not match.
	together := w.add(RoleSpec{Name: "together", Trust: policy(`{"Effect":"Allow","Principal":{"AWS":"` + home +
		`"},"Action":["sts:AssumeRole","sts:TagSession"]` + external + `}`)})
	_, err = w.assume(creds, together, tagged)
	refused(t, err, "AccessDenied", "sts:TagSession")

	with := w.add(RoleSpec{Name: "with", Trust: policy(statement("sts:AssumeRole", external), statement("sts:TagSession", ""))})
	_, err = w.assume(creds, with, tagged)
	require.NoError(t, err)

	only := w.add(RoleSpec{Name: "only", Trust: policy(statement("sts:AssumeRole", ""),
		statement("sts:TagSession", `,"Condition":{"StringEquals":{"aws:RequestTag/team":"b"}}`))})
	_, err = w.assume(creds, only, tagged)
	refused(t, err, "AccessDenied", "sts:TagSession")
}

func TestTransitiveTagsFollowTheChain(t *testing.T) {
	w := newWorld(t, Options{})
	first := w.add(RoleSpec{Name: "first", Trust: trust(`{"AWS":"` + home + `"}`)})
	second := w.add(RoleSpec{Name: "second", Trust: `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Principal":{"AWS":"` + first + `"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"aws:PrincipalTag/team":"a"}}},
		{"Effect":"Allow","Principal":{"AWS":"` + first + `"},"Action":"sts:TagSession"}]}`})
	out, err := w.assume(w.user("admin"), first, func(in *sts.AssumeRoleInput) {
		in.Tags = []types.Tag{{Key: new("team"), Value: new("a")}}
		in.TransitiveTagKeys = []string{"Team"}
	})
	require.NoError(t, err)
	chained := aws.Credentials{
		AccessKeyID: *out.Credentials.AccessKeyId, SecretAccessKey: *out.Credentials.SecretAccessKey, SessionToken: *out.Credentials.SessionToken,
	}
	assert.True(t, w.trusted(chained, second))
	_, err = w.assume(chained, second, func(in *sts.AssumeRoleInput) { in.Tags = []types.Tag{{Key: new("TEAM"), Value: new("b")}} })
	refused(t, err, "InvalidParameterValue", "transitive")
}

package awssim

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPrincipals(t *testing.T) {
	w := newWorld(t, Options{})
	allow := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:*","Resource":"*"}]}`
	caller := w.add(RoleSpec{Path: "/infra/", Name: "caller"})
	w.add(RoleSpec{Name: "permitted", Policies: map[string]string{"p": allow}})
	w.add(RoleSpec{Account: other, Name: "foreign", Policies: map[string]string{"p": allow}})
	w.add(RoleSpec{Account: other, Name: "unpermitted"})
	unpermitted, err := w.AddUser(home, "unpermitted", false)
	require.NoError(t, err)

	tests := map[string]struct {
		principal string
		trusted   []string // the callers below that may assume the role
	}{
		"a role":             {`{"AWS":"` + caller + `"}`, []string{"caller"}},
		"a user":             {`{"AWS":"` + unpermitted + `"}`, []string{"unpermitted user"}},
		"a list":             {`{"AWS":["` + caller + `","` + unpermitted + `"]}`, []string{"caller", "unpermitted user"}},
		"one session":        {`{"AWS":"arn:aws:sts::` + home + `:assumed-role/caller/test"}`, []string{"caller"}},
		"another session":    {`{"AWS":"arn:aws:sts::` + home + `:assumed-role/caller/other"}`, nil},
		"the account":        {`{"AWS":"` + home + `"}`, []string{"permitted", "admin"}},
		"the account's root": {`{"AWS":"arn:aws:iam::` + home + `:root"}`, []string{"permitted", "admin"}},
		"another account":    {`{"AWS":"` + other + `"}`, []string{"foreign"}},
		"any principal":      {`"*"`, []string{"caller", "permitted", "foreign", "admin", "unpermitted user"}},
		"any AWS principal":  {`{"AWS":"*"}`, []string{"caller", "permitted", "foreign", "admin", "unpermitted user"}},
		"a service":          {`{"Service":"ec2.amazonaws.com"}`, nil},
		"a federation":       {`{"Federated":"cognito-identity.amazonaws.com"}`, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			arn := w.add(RoleSpec{Name: "app", Trust: trust(test.principal)})
			var got []string
			for _, account := range []string{home, other} {
				for _, role := range []string{"caller", "permitted", "foreign", "unpermitted"} {
					if creds, err := w.RoleCredentials(account, role, "test", time.Hour); err == nil && w.trusted(creds, arn) {
						got = append(got, role)
					}
				}
			}
			for user, as := range map[string]string{"admin": "admin", "unpermitted": "unpermitted user"} {
				if w.trusted(w.user(user), arn) {
					got = append(got, as)
				}
			}
			assert.ElementsMatch(t, test.trusted, got)
		})
	}
}

func TestConditions(t *testing.T) {
	w := newWorld(t, Options{})
	creds := w.user("admin")
	const id = "ns/cluster"
	tests := map[string]struct {
		condition            string
		right, wrong, absent bool
	}{
		"none":                         {``, true, true, true},
		"StringEquals":                 {`"StringEquals":{"sts:ExternalId":"ns/cluster"}`, true, false, false},
		"one of several":               {`"StringEquals":{"sts:ExternalId":["other","ns/cluster"]}`, true, false, false},
		"the key's case":               {`"StringEquals":{"STS:externalid":"ns/cluster"}`, true, false, false},
		"the value's case":             {`"StringEquals":{"sts:ExternalId":"NS/cluster"}`, false, false, false},
		"the value's case ignored":     {`"StringEqualsIgnoreCase":{"sts:ExternalId":"NS/cluster"}`, true, false, false},
		"no globs in StringEquals":     {`"StringEquals":{"sts:ExternalId":"ns/*"}`, false, false, false},
		"StringLike":                   {`"StringLike":{"sts:ExternalId":"n?/*"}`, true, false, false},
		"StringNotEquals":              {`"StringNotEquals":{"sts:ExternalId":"ns/cluster"}`, false, true, true},
		"StringNotLike":                {`"StringNotLike":{"sts:ExternalId":"ns/*"}`, false, true, true},
		"IfExists":                     {`"StringEqualsIfExists":{"sts:ExternalId":"ns/cluster"}`, true, false, true},
		"ForAllValues":                 {`"ForAllValues:StringEquals":{"sts:ExternalId":"ns/cluster"}`, true, false, true},
		"ForAnyValue":                  {`"ForAnyValue:StringEquals":{"sts:ExternalId":"ns/cluster"}`, true, false, false},
		"Null true":                    {`"Null":{"sts:ExternalId":"true"}`, false, false, true},
		"Null false":                   {`"Null":{"sts:ExternalId":"false"}`, true, true, false},
		"two operators":                {`"StringLike":{"sts:ExternalId":"*"},"StringEquals":{"sts:ExternalId":"ns/cluster"}`, true, false, false},
		"two keys":                     {`"StringEquals":{"sts:ExternalId":"ns/cluster","aws:PrincipalAccount":"123456789012"}`, true, false, false},
		"two keys, one wrong":          {`"StringEquals":{"sts:ExternalId":"ns/cluster","aws:PrincipalAccount":"999999999999"}`, false, false, false},
		"a variable":                   {`"StringEquals":{"sts:ExternalId":"${aws:username}"}`, false, false, false},
		"ArnLike on the principal":     {`"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::123456789012:user/*"}`, true, true, true},
		"ArnNotLike on the principal":  {`"ArnNotLike":{"aws:PrincipalArn":"arn:aws:iam::123456789012:user/*"}`, false, false, false},
		"DateLessThan":                 {`"DateLessThan":{"aws:CurrentTime":"2001-01-01T00:00:00Z"}`, false, false, false},
		"DateGreaterThan":              {`"DateGreaterThan":{"aws:CurrentTime":"2001-01-01T00:00:00Z"}`, true, true, true},
		"IpAddress":                    {`"IpAddress":{"aws:SourceIp":"127.0.0.0/8"}`, true, true, true},
		"NotIpAddress":                 {`"NotIpAddress":{"aws:SourceIp":"127.0.0.1"}`, false, false, false},
		"Bool":                         {`"Bool":{"aws:SecureTransport":"true"}`, true, true, true},
		"the session's name":           {`"StringEquals":{"sts:RoleSessionName":"session"}`, true, true, true},
		"an unknown key":               {`"StringEquals":{"aws:NoSuchKey":"x"}`, false, false, false},
		"an unknown key, numeric":      {`"NumericLessThan":{"aws:MultiFactorAuthAge":"3600"}`, false, false, false},
		"an unknown key, if it exists": {`"NumericLessThanIfExists":{"aws:MultiFactorAuthAge":3600}`, true, true, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			arn := w.add(RoleSpec{Name: "app", Trust: `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"` + home +
				`"},"Action":"sts:AssumeRole","Condition":{` + test.condition + `}}}`})
			try := func(id *string) bool {
				_, err := w.assume(creds, arn, func(in *sts.AssumeRoleInput) { in.ExternalId = id })
				return err == nil
			}
			assert.Equal(t, test.right, try(new(id)), "matching external ID")
			assert.Equal(t, test.wrong, try(new("other/other")), "other external ID")
			assert.Equal(t, test.absent, try(nil), "no external ID")
		})
	}
}

func TestExplicitDenyOverridesAllow(t *testing.T) {
	w := newWorld(t, Options{})
	caller := w.add(RoleSpec{Name: "caller"})
	creds := w.session("caller")
	statement := func(effect, element, principal string) string {
		return `{"Effect":"` + effect + `","` + element + `":` + principal + `,"Action":"sts:*"}`
	}
	policy := func(statements ...string) string {
		return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
	}
	me := `{"AWS":"` + caller + `"}`
	allow := statement("Allow", "Principal", me)
	assert.True(t, w.trusted(creds, w.add(RoleSpec{Name: "allow", Trust: policy(allow)})))
	assert.False(t, w.trusted(creds, w.add(RoleSpec{Name: "deny", Trust: policy(allow, statement("Deny", "Principal", me))})))
	assert.False(t, w.trusted(creds, w.add(RoleSpec{Name: "first", Trust: policy(statement("Deny", "Principal", `"*"`), allow)})))
	assert.True(t, w.trusted(creds, w.add(RoleSpec{Name: "others", Trust: policy(allow, statement("Deny", "NotPrincipal", me))})))

	deny := `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"sts:AssumeRole","Resource":"arn:aws:iam::*:role/forbidden"}]}`
	w.add(RoleSpec{Name: "caller", Policies: map[string]string{"deny": deny}})
	creds = w.session("caller")
	assert.True(t, w.trusted(creds, w.add(RoleSpec{Name: "fine", Trust: policy(allow)})))
	assert.False(t, w.trusted(creds, w.add(RoleSpec{Name: "forbidden", Trust: policy(allow)})), "identity policy of the caller")
}

func TestBoundaryLimitsTrustedCaller(t *testing.T) {
	w := newWorld(t, Options{})
	boundary, err := w.AddManagedPolicy(home, "/", "boundary",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"arn:aws:iam::*:role/inside"}]}`)
	require.NoError(t, err)
	caller := w.add(RoleSpec{Name: "caller", Boundary: boundary})
	creds := w.session("caller")
	for name, within := range map[string]bool{"inside": true, "outside": false} {
		arn := w.add(RoleSpec{Name: name, Trust: trust(`{"AWS":"` + caller + `"}`)})
		assert.Equal(t, within, w.trusted(creds, arn), name)
	}
}

func TestPrincipalIsBoundByUniqueID(t *testing.T) {
	w := newWorld(t, Options{})
	caller := w.add(RoleSpec{Name: "caller"})
	arn := w.add(RoleSpec{Name: "app", Trust: trust(`{"AWS":"` + caller + `"}`)})
	before := w.session("caller")
	assert.True(t, w.trusted(before, arn))
	shown := func() string {
		out, err := w.iam.GetRole(t.Context(), &iam.GetRoleInput{RoleName: new("app")})
		require.NoError(t, err)
		return *out.Role.AssumeRolePolicyDocument
	}
	assert.Contains(t, shown(), "role%2Fcaller")

	w.RemoveRole(home, "caller")
	assert.Contains(t, shown(), "AROA", "a deleted principal is shown by its unique ID")
	w.add(RoleSpec{Name: "caller"})
	assert.Contains(t, shown(), "AROA", "a recreated role has another unique ID")
	assert.False(t, w.trusted(w.session("caller"), arn))

	_, err := w.iam.UpdateAssumeRolePolicy(t.Context(), &iam.UpdateAssumeRolePolicyInput{
		RoleName: new("app"), PolicyDocument: new(trust(`{"AWS":"` + caller + `"}`)),
	})
	require.NoError(t, err)
	assert.True(t, w.trusted(w.session("caller"), arn), "saving the policy binds the new role")
	assert.False(t, w.trusted(before, arn), "sessions of the deleted role are not trusted")
}

func TestMalformedTrustPoliciesAreRefused(t *testing.T) {
	w := newWorld(t, Options{})
	statement := func(inner string) string { return `{"Version":"2012-10-17","Statement":[{` + inner + `}]}` }
	tests := map[string]struct{ policy, code, message string }{
		"no JSON":            {`{`, "MalformedPolicyDocument", "This policy contains invalid Json"},
		"trailing text":      {serviceTrust + `x`, "MalformedPolicyDocument", "This policy contains invalid Json"},
		"no statement":       {`{"Version":"2012-10-17"}`, "MalformedPolicyDocument", "Syntax errors"},
		"empty statement":    {`{"Version":"2012-10-17","Statement":[]}`, "MalformedPolicyDocument", "Syntax errors"},
		"wrong version":      {strings.Replace(serviceTrust, "2012-10-17", "2012-10-18", 1), "MalformedPolicyDocument", "Syntax errors"},
		"unknown element":    {statement(`"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole","Extra":1`), "MalformedPolicyDocument", "Syntax errors"},
		"no effect":          {statement(`"Principal":"*","Action":"sts:AssumeRole"`), "MalformedPolicyDocument", "Syntax errors"},
		"no action":          {statement(`"Effect":"Allow","Principal":"*"`), "MalformedPolicyDocument", "actions"},
		"no principal":       {statement(`"Effect":"Allow","Action":"sts:AssumeRole"`), "MalformedPolicyDocument", "principal"},
		"a resource":         {statement(`"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole","Resource":"*"`), "MalformedPolicyDocument", "Has prohibited field Resource"},
		"another service":    {statement(`"Effect":"Allow","Principal":"*","Action":"s3:GetObject"`), "MalformedPolicyDocument", "AssumeRole policy may only specify STS AssumeRole actions"},
		"unknown operator":   {statement(`"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole","Condition":{"StringMatches":{"a":"b"}}`), "MalformedPolicyDocument", "Invalid Condition type : StringMatches"},
		"unknown role":       {trust(`{"AWS":"arn:aws:iam::` + home + `:role/none"}`), "MalformedPolicyDocument", `Invalid principal in policy: "AWS":"arn:aws:iam::` + home + `:role/none"`},
		"glob in principal":  {trust(`{"AWS":"arn:aws:iam::` + home + `:role/*"}`), "MalformedPolicyDocument", "Invalid principal in policy"},
		"path left out":      {trust(`{"AWS":"arn:aws:iam::` + home + `:role/pathed"}`), "MalformedPolicyDocument", "Invalid principal in policy"},
		"other partition":    {trust(`{"AWS":"arn:aws-cn:iam::` + home + `:root"}`), "MalformedPolicyDocument", "Invalid principal in policy"},
		"unknown kind":       {trust(`{"Robot":"*"}`), "MalformedPolicyDocument", "Invalid principal in policy"},
		"a principal's text": {trust(`"everybody"`), "MalformedPolicyDocument", "Syntax errors"},
		"too long": {
			statement(`"Sid":"` + strings.Repeat("x", 2048) + `","Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"`),
			"LimitExceeded", "Cannot exceed quota for ACLSizePerRole: 2048",
		},
	}
	w.add(RoleSpec{Path: "/a/", Name: "pathed"})
	w.add(RoleSpec{Name: "app"})
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := w.create("new", func(in *iam.CreateRoleInput) { in.AssumeRolePolicyDocument = &test.policy })
			refused(t, err, test.code, test.message)
			_, err = w.iam.UpdateAssumeRolePolicy(t.Context(), &iam.UpdateAssumeRolePolicyInput{RoleName: new("app"), PolicyDocument: &test.policy})
			refused(t, err, test.code, test.message)
			_, err = w.iam.GetRole(t.Context(), &iam.GetRoleInput{RoleName: new("new")})
			refused(t, err, "NoSuchEntity", "The role with name new cannot be found.")
		})
	}
}

package awssim

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func tags(pairs ...string) []types.Tag {
	var all []types.Tag
	for i := 0; i < len(pairs); i += 2 {
		all = append(all, types.Tag{Key: &pairs[i], Value: &pairs[i+1]})
	}
	return all
}

func TestRoleLifecycle(t *testing.T) {
	w := newWorld(t, Options{})
	ctx, name := t.Context(), new("app")
	boundary, err := w.AddManagedPolicy(home, "/", "boundary", harmless)
	require.NoError(t, err)
	created, err := w.iam.CreateRole(ctx, &iam.CreateRoleInput{
		RoleName: name, Path: new("/team/"), AssumeRolePolicyDocument: new(serviceTrust), Description: new("an app"),
		MaxSessionDuration: new(int32(7200)), PermissionsBoundary: &boundary, Tags: tags("Owner", "me"),
	})
	require.NoError(t, err)
	role := created.Role
	assert.Equal(t, "arn:aws:iam::"+home+":role/team/app", *role.Arn)
	assert.Regexp(t, `^AROA[A-Z2-7]{17}$`, *role.RoleId)
	assert.WithinDuration(t, time.Now(), *role.CreateDate, time.Minute)

	get := func() *types.Role {
		out, failure := w.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: name})
		require.NoError(t, failure)
		return out.Role
	}
	seen := get()
	text, err := url.QueryUnescape(*seen.AssumeRolePolicyDocument)
	require.NoError(t, err)
	assert.JSONEq(t, serviceTrust, text, "the original text, percent-encoded")
	assert.Equal(t, "/team/", *seen.Path)
	assert.Equal(t, "an app", *seen.Description)
	assert.Equal(t, int32(7200), *seen.MaxSessionDuration)
	assert.Equal(t, boundary, *seen.PermissionsBoundary.PermissionsBoundaryArn)
	assert.Equal(t, tags("Owner", "me"), seen.Tags)

	_, err = w.iam.UpdateRole(ctx, &iam.UpdateRoleInput{RoleName: name, Description: new("mine")})
	require.NoError(t, err)
	assert.Equal(t, int32(3600), *get().MaxSessionDuration, "an omitted duration is reset to the default")
	_, err = w.iam.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: name, PolicyDocument: new(trust(`"*"`))})
	require.NoError(t, err)
	assert.Contains(t, *get().AssumeRolePolicyDocument, "TagSession")

	w.growPolicies(name)
	_, err = w.iam.TagRole(ctx, &iam.TagRoleInput{RoleName: name, Tags: tags("owner", "you", "team", "b")})
	require.NoError(t, err)
	listed, err := w.iam.ListRoleTags(ctx, &iam.ListRoleTagsInput{RoleName: name})
	require.NoError(t, err)
	assert.Equal(t, tags("owner", "you", "team", "b"), listed.Tags, "keys are case-insensitive")
	_, err = w.iam.UntagRole(ctx, &iam.UntagRoleInput{RoleName: name, TagKeys: []string{"OWNER", "absent"}})
	require.NoError(t, err)
	assert.Equal(t, tags("team", "b"), get().Tags)

	_, err = w.iam.DeleteRolePermissionsBoundary(ctx, &iam.DeleteRolePermissionsBoundaryInput{RoleName: name})
	require.NoError(t, err)
	assert.Nil(t, get().PermissionsBoundary)
	_, err = w.iam.DeleteRolePermissionsBoundary(ctx, &iam.DeleteRolePermissionsBoundaryInput{RoleName: name})
	refused(t, err, "NoSuchEntity", "")
	_, err = w.iam.PutRolePermissionsBoundary(ctx, &iam.PutRolePermissionsBoundaryInput{RoleName: name, PermissionsBoundary: &boundary})
	require.NoError(t, err)
	assert.NotNil(t, get().PermissionsBoundary)

	w.dismantle(name)
	_, err = w.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: name})
	refused(t, err, "NoSuchEntity", "The role with name app cannot be found.")
}

// growPolicies adds two inline and two managed policies to a role and reads them.
func (w *world) growPolicies(name *string) {
	t, ctx := w.t, w.t.Context()
	for _, policy := range []string{"one", "two"} {
		_, err := w.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: name, PolicyName: &policy, PolicyDocument: new(harmless)})
		require.NoError(t, err)
		arn, err := w.AddManagedPolicy("aws", "/job/", policy, harmless)
		require.NoError(t, err)
		for range 2 { // attaching is idempotent
			_, err = w.iam.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: name, PolicyArn: &arn})
			require.NoError(t, err)
		}
	}
	got, err := w.iam.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: name, PolicyName: new("one")})
	require.NoError(t, err)
	text, err := url.QueryUnescape(*got.PolicyDocument)
	require.NoError(t, err)
	assert.JSONEq(t, harmless, text)
	inline, err := w.iam.ListRolePolicies(ctx, &iam.ListRolePoliciesInput{RoleName: name})
	require.NoError(t, err)
	assert.Equal(t, []string{"one", "two"}, inline.PolicyNames)
	attached, err := w.iam.ListAttachedRolePolicies(ctx, &iam.ListAttachedRolePoliciesInput{RoleName: name})
	require.NoError(t, err)
	assert.Equal(t, []types.AttachedPolicy{
		{PolicyName: new("one"), PolicyArn: new("arn:aws:iam::aws:policy/job/one")},
		{PolicyName: new("two"), PolicyArn: new("arn:aws:iam::aws:policy/job/two")},
	}, attached.AttachedPolicies)
	elsewhere, err := w.iam.ListAttachedRolePolicies(ctx, &iam.ListAttachedRolePoliciesInput{RoleName: name, PathPrefix: new("/other/")})
	require.NoError(t, err)
	assert.Empty(t, elsewhere.AttachedPolicies)
}

// dismantle deletes a role after the removal of its policies and instance profile, without which deletion fails.
func (w *world) dismantle(name *string) {
	t, ctx := w.t, w.t.Context()
	w.AddInstanceProfile(home, "profile", *name)
	left := func(message string) {
		t.Helper()
		_, err := w.iam.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: name})
		refused(t, err, "DeleteConflict", message)
	}
	left("must detach all policies first.")
	for _, policy := range []string{"one", "two"} {
		_, err := w.iam.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: name, PolicyArn: new("arn:aws:iam::aws:policy/job/" + policy)})
		require.NoError(t, err)
		_, err = w.iam.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: name, PolicyArn: new("arn:aws:iam::aws:policy/job/" + policy)})
		refused(t, err, "NoSuchEntity", "")
	}
	left("must delete policies first.")
	for _, policy := range []string{"one", "two"} {
		_, err := w.iam.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: name, PolicyName: &policy})
		require.NoError(t, err)
		_, err = w.iam.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: name, PolicyName: &policy})
		refused(t, err, "NoSuchEntity", "")
	}
	left("must remove roles from instance profile first.")
	profiles, err := w.iam.ListInstanceProfilesForRole(ctx, &iam.ListInstanceProfilesForRoleInput{RoleName: name})
	require.NoError(t, err)
	require.Len(t, profiles.InstanceProfiles, 1)
	profile := profiles.InstanceProfiles[0].InstanceProfileName
	require.Len(t, profiles.InstanceProfiles[0].Roles, 1)
	_, err = w.iam.RemoveRoleFromInstanceProfile(ctx, &iam.RemoveRoleFromInstanceProfileInput{RoleName: name, InstanceProfileName: profile})
	require.NoError(t, err)
	_, err = w.iam.RemoveRoleFromInstanceProfile(ctx, &iam.RemoveRoleFromInstanceProfileInput{RoleName: name, InstanceProfileName: profile})
	refused(t, err, "NoSuchEntity", "")
	_, err = w.iam.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: name})
	require.NoError(t, err)
	_, err = w.iam.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: name})
	refused(t, err, "NoSuchEntity", "")
}

func TestRoleNamesAreCaseInsensitive(t *testing.T) {
	w := newWorld(t, Options{})
	_, err := w.create("App")
	require.NoError(t, err)
	_, err = w.create("aPP")
	refused(t, err, "EntityAlreadyExists", "Role with name aPP already exists.")
	out, err := w.iam.GetRole(t.Context(), &iam.GetRoleInput{RoleName: new("APP")})
	require.NoError(t, err)
	assert.Equal(t, "App", *out.Role.RoleName)
}

func TestMalformedRolesAreRefused(t *testing.T) {
	w := newWorld(t, Options{})
	for name, change := range map[string]func(*iam.CreateRoleInput){
		"long name":         func(in *iam.CreateRoleInput) { in.RoleName = new(strings.Repeat("x", 65)) },
		"slash in the name": func(in *iam.CreateRoleInput) { in.RoleName = new("a/b") },
		"empty name":        func(in *iam.CreateRoleInput) { in.RoleName = new("") },
		"path without end":  func(in *iam.CreateRoleInput) { in.Path = new("/a") },
		"path without root": func(in *iam.CreateRoleInput) { in.Path = new("a/") },
		"long path":         func(in *iam.CreateRoleInput) { in.Path = new("/" + strings.Repeat("x", 511) + "/") },
		"short session":     func(in *iam.CreateRoleInput) { in.MaxSessionDuration = new(int32(3599)) },
		"long session":      func(in *iam.CreateRoleInput) { in.MaxSessionDuration = new(int32(43201)) },
		"description":       func(in *iam.CreateRoleInput) { in.Description = new("日本") },
		"policy with 日本":    func(in *iam.CreateRoleInput) { in.AssumeRolePolicyDocument = new(`{"Id":"日本"}`) },
		"empty policy":      func(in *iam.CreateRoleInput) { in.AssumeRolePolicyDocument = new("") },
		"boundary":          func(in *iam.CreateRoleInput) { in.PermissionsBoundary = new("short") },
		"tag key":           func(in *iam.CreateRoleInput) { in.Tags = tags("a!", "b") },
		"too many tags": func(in *iam.CreateRoleInput) {
			for i := range 51 {
				in.Tags = append(in.Tags, tags(fmt.Sprint(i), "x")...)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.create("app", change)
			refused(t, err, "ValidationError", "")
		})
	}
	_, err := w.create("app", func(in *iam.CreateRoleInput) { in.Tags = tags("aws:x", "y") })
	refused(t, err, "InvalidInput", "reserved")
	_, err = w.create("app", func(in *iam.CreateRoleInput) { in.Tags = tags("x", "y", "X", "y") })
	refused(t, err, "InvalidInput", "case insensitive")
	_, err = w.create("app", func(in *iam.CreateRoleInput) { in.PermissionsBoundary = new("arn:aws:iam::" + home + ":policy/none") })
	refused(t, err, "NoSuchEntity", "policy/none")
}

func TestQuotas(t *testing.T) {
	w := newWorld(t, Options{})
	ctx, name := t.Context(), new("app")
	_, err := w.create("app")
	require.NoError(t, err)
	policy := func(length int) *string {
		head, tail := `{"Version":"2012-10-17","Statement":[{"Sid":"`, `","Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}`
		return new(head + strings.Repeat("x", length-len(head)-len(tail)) + tail)
	}
	put := func(name, policy string, document *string) error {
		_, failure := w.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &name, PolicyName: &policy, PolicyDocument: document})
		return failure
	}
	require.NoError(t, put(*name, "a", policy(10240)))
	refused(t, put(*name, "b", policy(200)), "LimitExceeded", "Maximum policy size of 10240 bytes exceeded for role app")
	require.NoError(t, put(*name, "a", policy(10040)), "the replaced policy does not count")
	require.NoError(t, put(*name, "b", policy(200)))
	require.NoError(t, put(*name, "b", new(strings.ReplaceAll(*policy(200), ",", ",\n   "))), "white space does not count")

	for i := range 11 {
		arn, failure := w.AddManagedPolicy(home, "/", fmt.Sprintf("p%d", i), harmless)
		require.NoError(t, failure)
		_, err = w.iam.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: name, PolicyArn: &arn})
		if i < 10 {
			require.NoError(t, err)
		} else {
			refused(t, err, "LimitExceeded", "Cannot exceed quota for PoliciesPerRole: 10")
		}
	}
	for i := range 50 {
		_, err = w.iam.TagRole(ctx, &iam.TagRoleInput{RoleName: name, Tags: tags(fmt.Sprint(i), "x")})
		require.NoError(t, err)
	}
	_, err = w.iam.TagRole(ctx, &iam.TagRoleInput{RoleName: name, Tags: tags("51", "x")})
	refused(t, err, "LimitExceeded", "tags")
}

func TestRoleQuotaIsPerAccount(t *testing.T) {
	w := newWorld(t, Options{})
	for i := range defaultRolesPerAccount {
		w.add(RoleSpec{Name: fmt.Sprintf("seeded-%d", i)})
	}
	_, err := w.create("one-more")
	refused(t, err, "LimitExceeded", "Cannot exceed quota for RolesPerAccount: 1000")
	_, err = w.iam.DeleteRole(t.Context(), &iam.DeleteRoleInput{RoleName: new("seeded-0")})
	require.NoError(t, err)
	_, err = w.create("one-more")
	require.NoError(t, err)
	w.Set(Settings{RolesPerAccount: new(defaultRolesPerAccount + 1)})
	_, err = w.create("raised")
	require.NoError(t, err)
	_, err = w.create("beyond")
	refused(t, err, "LimitExceeded", "Cannot exceed quota for RolesPerAccount: 1001")
}

func TestMalformedIdentityPoliciesAreRefused(t *testing.T) {
	w := newWorld(t, Options{})
	_, err := w.create("app")
	require.NoError(t, err)
	for name, document := range map[string]string{
		"no JSON":      `{`,
		"a principal":  `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}`,
		"no resource":  `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*"}]}`,
		"two actions":  `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","NotAction":"s3:*","Resource":"*"}]}`,
		"wrong effect": `{"Version":"2012-10-17","Statement":[{"Effect":"allow","Action":"*","Resource":"*"}]}`,
		"numbers":      `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":{"a":1},"Resource":"*"}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.iam.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: new("app"), PolicyName: new("p"), PolicyDocument: &document})
			refused(t, err, "MalformedPolicyDocument", "")
		})
	}
}

func TestActionsOnMissingRoleFail(t *testing.T) {
	w := newWorld(t, Options{})
	ctx, name, arn := t.Context(), new("none"), new("arn:aws:iam::aws:policy/none")
	for action, do := range map[string]func() error{
		"GetRole":    func() error { _, err := w.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: name}); return err },
		"UpdateRole": func() error { _, err := w.iam.UpdateRole(ctx, &iam.UpdateRoleInput{RoleName: name}); return err },
		"UpdateAssumeRolePolicy": func() error {
			_, err := w.iam.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: name, PolicyDocument: new(serviceTrust)})
			return err
		},
		"PutRolePolicy": func() error {
			_, err := w.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: name, PolicyName: name, PolicyDocument: new(harmless)})
			return err
		},
		"GetRolePolicy": func() error {
			_, err := w.iam.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: name, PolicyName: name})
			return err
		},
		"ListRolePolicies": func() error {
			_, err := w.iam.ListRolePolicies(ctx, &iam.ListRolePoliciesInput{RoleName: name})
			return err
		},
		"DeleteRolePolicy": func() error {
			_, err := w.iam.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: name, PolicyName: name})
			return err
		},
		"AttachRolePolicy": func() error {
			_, err := w.iam.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: name, PolicyArn: arn})
			return err
		},
		"DetachRolePolicy": func() error {
			_, err := w.iam.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: name, PolicyArn: arn})
			return err
		},
		"ListAttached": func() error {
			_, err := w.iam.ListAttachedRolePolicies(ctx, &iam.ListAttachedRolePoliciesInput{RoleName: name})
			return err
		},
		"TagRole": func() error {
			_, err := w.iam.TagRole(ctx, &iam.TagRoleInput{RoleName: name, Tags: tags("a", "b")})
			return err
		},
		"UntagRole": func() error {
			_, err := w.iam.UntagRole(ctx, &iam.UntagRoleInput{RoleName: name, TagKeys: []string{"a"}})
			return err
		},
		"ListRoleTags": func() error { _, err := w.iam.ListRoleTags(ctx, &iam.ListRoleTagsInput{RoleName: name}); return err },
		"PutBoundary": func() error {
			_, err := w.iam.PutRolePermissionsBoundary(ctx, &iam.PutRolePermissionsBoundaryInput{RoleName: name, PermissionsBoundary: arn})
			return err
		},
		"DeleteBoundary": func() error {
			_, err := w.iam.DeleteRolePermissionsBoundary(ctx, &iam.DeleteRolePermissionsBoundaryInput{RoleName: name})
			return err
		},
		"ListInstanceProfiles": func() error {
			_, err := w.iam.ListInstanceProfilesForRole(ctx, &iam.ListInstanceProfilesForRoleInput{RoleName: name})
			return err
		},
		"DeleteRole": func() error { _, err := w.iam.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: name}); return err },
	} {
		t.Run(action, func(t *testing.T) { refused(t, do(), "NoSuchEntity", "The role with name none cannot be found.") })
	}
	_, err := w.create("app")
	require.NoError(t, err)
	_, err = w.iam.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: new("app"), PolicyArn: arn})
	refused(t, err, "NoSuchEntity", "does not exist or is not attachable")
	_, err = w.iam.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: new("app"), PolicyName: name})
	refused(t, err, "NoSuchEntity", "The role policy with name none cannot be found.")
}

func TestServiceLinkedRolesAreImmutable(t *testing.T) {
	w := newWorld(t, Options{})
	w.add(RoleSpec{Path: "/aws-service-role/x.amazonaws.com/", Name: "AWSServiceRoleForX", ServiceLinked: true})
	_, err := w.iam.DeleteRole(t.Context(), &iam.DeleteRoleInput{RoleName: new("AWSServiceRoleForX")})
	refused(t, err, "UnmodifiableEntity", "only modifiable by AWS")
}

func TestListsArePaginated(t *testing.T) {
	w := newWorld(t, Options{PageSize: 3})
	for i := range 8 {
		path := "/even/"
		if i%2 == 1 {
			path = "/odd/"
		}
		_, err := w.create(fmt.Sprintf("role-%d", i), func(in *iam.CreateRoleInput) { in.Path, in.Tags = &path, tags("a", "b") })
		require.NoError(t, err)
	}
	var names []string
	pages := iam.NewListRolesPaginator(w.iam, &iam.ListRolesInput{PathPrefix: new("/even/"), MaxItems: new(int32(2))})
	for n := 1; pages.HasMorePages(); n++ {
		out, err := pages.NextPage(t.Context())
		require.NoError(t, err)
		assert.LessOrEqual(t, len(out.Roles), 2)
		for _, role := range out.Roles {
			names = append(names, *role.RoleName)
			assert.Empty(t, role.Tags, "lists omit tags")
		}
	}
	assert.Equal(t, []string{"role-0", "role-2", "role-4", "role-6"}, names)
	_, err := w.iam.ListRoles(t.Context(), &iam.ListRolesInput{Marker: new("nonsense")})
	refused(t, err, "InvalidInput", "Marker")
}

func TestIdentityPoliciesAuthorizeActions(t *testing.T) {
	w := newWorld(t, Options{})
	boundary, err := w.AddManagedPolicy(home, "/", "boundary", harmless)
	require.NoError(t, err)
	policy := strings.NewReplacer("BOUNDARY", boundary, "ROLES", "arn:aws:iam::"+home+":role/managed/*").Replace(`{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"iam:CreateRole","Resource":"ROLES","Condition":{"StringEquals":{
			"iam:PermissionsBoundary":"BOUNDARY","aws:RequestTag/managed-by":"us"}}},
		{"Effect":"Allow","Action":"iam:TagRole","Resource":"ROLES","Condition":{"StringEqualsIfExists":{
			"aws:ResourceTag/managed-by":"us","aws:RequestTag/managed-by":"us"}}},
		{"Effect":"Allow","Action":["iam:PutRolePolicy","iam:Delete*","iam:UntagRole"],"Resource":"ROLES","Condition":{"StringEquals":{
			"aws:ResourceTag/managed-by":"us"}}},
		{"Effect":"Allow","Action":"iam:ListRoles","Resource":"*"},
		{"Effect":"Deny","Action":"iam:PutRolePolicy","Resource":"*","Condition":{"StringNotEquals":{"iam:PermissionsBoundary":"BOUNDARY"}}},
		{"Effect":"Deny","Action":"iam:UntagRole","Resource":"*","Condition":{"ForAnyValue:StringEquals":{"aws:TagKeys":["managed-by"]}}}]}`)
	w.add(RoleSpec{Name: "controller", Policies: map[string]string{"p": policy}})
	w.add(RoleSpec{Path: "/managed/", Name: "foreign", Boundary: boundary})
	w.add(RoleSpec{Path: "/managed/", Name: "unbounded", Tags: map[string]string{"managed-by": "us"}})
	c := w.iamAs(w.session("controller"))
	ctx := t.Context()
	create := func(change func(*iam.CreateRoleInput)) error {
		in := &iam.CreateRoleInput{
			RoleName: new("app"), Path: new("/managed/"), AssumeRolePolicyDocument: new(serviceTrust),
			PermissionsBoundary: &boundary, Tags: tags("managed-by", "us", "other", "x"),
		}
		change(in)
		_, failure := c.CreateRole(ctx, in)
		return failure
	}
	denied := func(err error, action string) {
		t.Helper()
		refused(t, err, "AccessDenied", "assumed-role/controller/test is not authorized to perform: "+action+" on resource: ")
	}
	denied(create(func(in *iam.CreateRoleInput) { in.Path = new("/") }), "iam:CreateRole")
	denied(create(func(in *iam.CreateRoleInput) { in.PermissionsBoundary = nil }), "iam:CreateRole")
	denied(create(func(in *iam.CreateRoleInput) { in.Tags = tags("managed-by", "them") }), "iam:CreateRole")
	require.NoError(t, create(func(*iam.CreateRoleInput) {}))

	put := func(role string) error {
		_, failure := c.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &role, PolicyName: new("p"), PolicyDocument: new(harmless)})
		return failure
	}
	require.NoError(t, put("app"))
	denied(put("foreign"), "iam:PutRolePolicy")
	denied(put("unbounded"), "iam:PutRolePolicy")
	untag := func(key string) error {
		_, failure := c.UntagRole(ctx, &iam.UntagRoleInput{RoleName: new("app"), TagKeys: []string{"other", key}})
		return failure
	}
	denied(untag("managed-by"), "iam:UntagRole")
	require.NoError(t, untag("x"))
	_, err = c.ListRoles(ctx, &iam.ListRolesInput{})
	require.NoError(t, err)
	_, err = c.GetRole(ctx, &iam.GetRoleInput{RoleName: new("app")})
	denied(err, "iam:GetRole")
	_, err = c.TagRole(ctx, &iam.TagRoleInput{RoleName: new("foreign"), Tags: tags("managed-by", "them")})
	denied(err, "iam:TagRole")
}

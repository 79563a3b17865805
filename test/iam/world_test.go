package iam

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/stretchr/testify/require"
	"kube-aws-iam-controller/internal/awssim"
	"kube-aws-iam-controller/internal/iamprovision"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/session"
)

const (
	home, other, third = "123456789012", "999999999999", "555555555555"
	path               = "/kube-aws-iam-controller/prod/"
	externalID         = "team/prod"
	readBucket         = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}`
	forEC2             = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
)

// world is simulated AWS with a controller that has one policy, and roles that are none of its business.
type world struct {
	*awssim.Server

	t                                   *testing.T
	controller, boundary, wide, managed string
	config                              aws.Config
	iam                                 *iam.Client // with the controller's credentials
	admin                               *iam.Client
}

func newWorld(t *testing.T, policy string) *world {
	t.Helper()
	w := &world{t: t}
	var err error
	w.Server, err = awssim.Start(t.Context(), awssim.New(awssim.Options{}))
	require.NoError(t, err)
	t.Cleanup(w.Close)
	for name, arn := range map[string]*string{"kube-aws-iam-controller-boundary": &w.boundary, "wide": &w.wide, "managed": &w.managed} {
		*arn, err = w.AddManagedPolicy(home, "/", name, example(t, "iam", "permissions-boundary.json"))
		require.NoError(t, err)
	}
	w.controller = w.role(awssim.RoleSpec{Name: "kube-aws-iam-controller", Trust: forEC2, Policies: map[string]string{"controller": policy}})
	ours := map[string]string{"managed-by": "kube-aws-iam-controller"}
	w.role(awssim.RoleSpec{Path: path, Name: "untagged", Trust: forEC2})
	w.role(awssim.RoleSpec{Path: path, Name: "theirs", Trust: forEC2, Boundary: w.boundary, Tags: map[string]string{"managed-by": "somebody"}})
	w.role(awssim.RoleSpec{Path: path, Name: "ours", Trust: forEC2, Boundary: w.boundary, Tags: ours})
	w.role(awssim.RoleSpec{Path: path, Name: "unbounded", Trust: forEC2, Tags: ours})
	w.role(awssim.RoleSpec{Path: "/elsewhere/", Name: "elsewhere", Trust: forEC2, Boundary: w.boundary, Tags: ours})
	for _, account := range []string{other, third} {
		w.role(awssim.RoleSpec{Account: account, Name: "app", Trust: `{"Version":"2012-10-17","Statement":[` +
			`{"Effect":"Allow","Principal":{"AWS":"` + w.controller + `"},"Action":["sts:AssumeRole","sts:TagSession"]}]}`})
	}
	_, err = w.AddUser(home, "admin", true)
	require.NoError(t, err)
	admin, err := w.UserCredentials(home, "admin")
	require.NoError(t, err)
	w.admin = iam.NewFromConfig(w.as(admin))
	creds, err := w.RoleCredentials(home, "kube-aws-iam-controller", "test", time.Hour)
	require.NoError(t, err)
	w.config = w.as(creds)
	w.iam = iam.NewFromConfig(w.config)
	return w
}

func (w *world) role(spec awssim.RoleSpec) string {
	w.t.Helper()
	if spec.Account == "" {
		spec.Account = home
	}
	arn, err := w.AddRole(spec)
	require.NoError(w.t, err)
	return arn
}

func (w *world) as(creds aws.Credentials) aws.Config {
	return aws.Config{
		Region: "eu-central-1", BaseEndpoint: new(w.URL()), RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return creds, nil }),
	}
}

// life is all that the controller does in AWS, by its own code. It returns the first error.
func (w *world) life() error {
	ctx := w.t.Context()
	assumer, err := session.New(w.config, session.Options{ClusterName: "prod", SessionTags: true, QPS: 1000})
	if err != nil {
		return err
	}
	if _, err = assumer.Principal(ctx); err != nil {
		return err
	}
	p := iamprovision.New(w.config, iamprovision.Options{
		ClusterName: "prod", Boundary: w.boundary, QPS: 1000, Principal: assumer.Principal,
		SessionName: session.AccountName, CarriesTags: assumer.CarriesTags,
	})
	want := identity.Desired{
		Key: identity.Key{Source: identity.ServiceAccount, Namespace: "team", Name: "app"}, UID: "u", ExternalID: externalID,
		SessionDuration: time.Hour, Own: &identity.OwnRole{Policy: readBucket, ManagedPolicies: []string{w.managed}},
	}
	role, err := p.Ensure(ctx, want, "")
	if err != nil {
		return err
	}
	if want.Role, err = role.ARN, w.tamper(role.ARN.Name); err != nil {
		return err
	}
	if _, err = p.Ensure(ctx, want, role.ID); err != nil {
		return err
	}
	if _, err = p.Retain(ctx, want.Key, role.ID); err != nil {
		return err
	}
	if _, err = p.Ensure(ctx, want, role.ID); err != nil { // takes the tag off again
		return err
	}
	found := false
	if err = p.Sweep(ctx, slices.Values([]identity.Key(nil)), func(identity.Key, string) { found = true }); err != nil || !found {
		return errors.Join(err, fmt.Errorf("the sweep found it: %v", found))
	}
	if _, err = assumer.Assume(ctx, want); err != nil {
		return err
	}
	elsewhere := want // an existing role, which is tagged
	elsewhere.Own = nil
	elsewhere.Role = identity.RoleReference{Partition: "aws", Account: other, Name: "app"}
	if _, err = assumer.Assume(ctx, elsewhere); err != nil {
		return err
	}
	w.AddInstanceProfile(home, "profile", role.ARN.Name)
	_, err = p.Delete(ctx, want.Key, role.ID)
	return err
}

// tamper changes all that the controller corrects.
func (w *world) tamper(role string) error {
	ctx := w.t.Context()
	_, err1 := w.admin.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &role, PolicyName: new("more"), PolicyDocument: new(readBucket)})
	_, err2 := w.admin.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: &role, PolicyArn: &w.wide})
	_, err3 := w.admin.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: &role, PolicyDocument: new(forEC2)})
	_, err4 := w.admin.DeleteRolePermissionsBoundary(ctx, &iam.DeleteRolePermissionsBoundaryInput{RoleName: &role})
	_, err5 := w.admin.UpdateRole(ctx, &iam.UpdateRoleInput{RoleName: &role, MaxSessionDuration: new(int32(7200))})
	return errors.Join(err1, err2, err3, err4, err5)
}

// crimes are what the controller's credentials must not be good for in the wrong hands. Each returns nil if it was
// possible.
var crimes = map[string]func(*world, context.Context) error{
	"a role without a boundary": func(w *world, ctx context.Context) error {
		return w.create(ctx, path, "", "kube-aws-iam-controller")
	},
	"a role with another boundary": func(w *world, ctx context.Context) error {
		return w.create(ctx, path, w.wide, "kube-aws-iam-controller")
	},
	"a role that is not tagged": func(w *world, ctx context.Context) error { return w.create(ctx, path, w.boundary, "") },
	"a role outside the path": func(w *world, ctx context.Context) error {
		return w.create(ctx, "/elsewhere/", w.boundary, "kube-aws-iam-controller")
	},
	"another boundary for a role": func(w *world, ctx context.Context) error { return w.bound(ctx, "ours", w.wide) },
	"no boundary for a role": func(w *world, ctx context.Context) error {
		_, err := w.iam.DeleteRolePermissionsBoundary(ctx, &iam.DeleteRolePermissionsBoundaryInput{RoleName: new("ours")})
		return err
	},
	"a policy for a role without the boundary":            crimesOn("unbounded")["policy"],
	"a managed policy for a role without the boundary":    crimesOn("unbounded")["managed policy"],
	"the trust of a role without the boundary":            crimesOn("unbounded")["trust"],
	"a policy for itself":                                 crimesOn("kube-aws-iam-controller")["policy"],
	"the trust of a role outside the path":                crimesOn("elsewhere")["trust"],
	"the trust of a role of somebody else":                crimesOn("theirs")["trust"],
	"somebody else's role made one's own":                 func(w *world, ctx context.Context) error { return w.adopt(ctx, "theirs") },
	"a role outside the path made one's own":              func(w *world, ctx context.Context) error { return w.adopt(ctx, "elsewhere") },
	"one's own role given away":                           func(w *world, ctx context.Context) error { return w.tag(ctx, "ours", "managed-by", "somebody") },
	"the mark of ownership taken off":                     func(w *world, ctx context.Context) error { return w.untag(ctx, "ours", "managed-by") },
	"the mark of ownership taken off, in another case":    func(w *world, ctx context.Context) error { return w.untag(ctx, "ours", "Managed-By") },
	"the deletion of a role that is not tagged":           func(w *world, ctx context.Context) error { return w.destroy(ctx, "untagged") },
	"the deletion of a role outside the path":             func(w *world, ctx context.Context) error { return w.destroy(ctx, "elsewhere") },
	"a look at a role outside the path":                   func(w *world, ctx context.Context) error { return w.look(ctx, "elsewhere") },
	"a session of a role in an account that is not meant": func(w *world, ctx context.Context) error { return w.assume(ctx, third) },
}

// crimesOn are those that a role can be widened or taken over by.
func crimesOn(role string) map[string]func(*world, context.Context) error {
	return map[string]func(*world, context.Context) error{
		"policy": func(w *world, ctx context.Context) error {
			_, err := w.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &role, PolicyName: new("p"), PolicyDocument: new(readBucket)})
			return err
		},
		"managed policy": func(w *world, ctx context.Context) error {
			_, err := w.iam.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: &role, PolicyArn: &w.managed})
			return err
		},
		"trust": func(w *world, ctx context.Context) error {
			_, err := w.iam.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: &role, PolicyDocument: new(forEC2)})
			return err
		},
	}
}

func (w *world) create(ctx context.Context, path, boundary, owner string) error {
	in := &iam.CreateRoleInput{RoleName: new("new"), Path: &path, AssumeRolePolicyDocument: new(forEC2)}
	if boundary != "" {
		in.PermissionsBoundary = &boundary
	}
	if owner != "" {
		in.Tags = []types.Tag{{Key: new("managed-by"), Value: &owner}}
	}
	_, err := w.iam.CreateRole(ctx, in)
	return err
}

func (w *world) bound(ctx context.Context, role, boundary string) error {
	_, err := w.iam.PutRolePermissionsBoundary(ctx, &iam.PutRolePermissionsBoundaryInput{RoleName: &role, PermissionsBoundary: &boundary})
	return err
}

func (w *world) adopt(ctx context.Context, role string) error {
	return w.tag(ctx, role, "managed-by", "kube-aws-iam-controller")
}

func (w *world) tag(ctx context.Context, role, key, value string) error {
	_, err := w.iam.TagRole(ctx, &iam.TagRoleInput{RoleName: &role, Tags: []types.Tag{{Key: &key, Value: &value}}})
	return err
}

func (w *world) untag(ctx context.Context, role, key string) error {
	_, err := w.iam.UntagRole(ctx, &iam.UntagRoleInput{RoleName: &role, TagKeys: []string{key}})
	return err
}

func (w *world) destroy(ctx context.Context, role string) error {
	_, err := w.iam.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: &role})
	return err
}

func (w *world) look(ctx context.Context, role string) error {
	_, err := w.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: &role})
	return err
}

func (w *world) assume(ctx context.Context, account string) error {
	_, err := sts.NewFromConfig(w.config).AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: new("arn:aws:iam::" + account + ":role/app"), RoleSessionName: new("x1")})
	return err
}

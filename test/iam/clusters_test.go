package iam

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"kube-aws-iam-controller/internal/awssim"
	"kube-aws-iam-controller/internal/identity"
)

// onARole are calls on a role that somebody else may have made, by what they need.
var onARole = map[string]func(ctx context.Context, client *iam.Client, role, path, boundary string) error{
	"iam:CreateRole": func(ctx context.Context, c *iam.Client, _, path, boundary string) error {
		_, err := c.CreateRole(ctx, &iam.CreateRoleInput{RoleName: new("planted"), Path: &path, AssumeRolePolicyDocument: new(forEC2), PermissionsBoundary: &boundary, Tags: []types.Tag{
			{Key: new("managed-by"), Value: new("kube-aws-iam-controller")}, {Key: new("kubernetes-cluster"), Value: new(strings.Split(path, "/")[2])},
		}})
		return err
	},
	"iam:TagRole": func(ctx context.Context, c *iam.Client, role, _, _ string) error {
		_, err := c.TagRole(ctx, &iam.TagRoleInput{RoleName: &role, Tags: []types.Tag{{Key: new("retained"), Value: new("true")}}})
		return err
	},
	"iam:UntagRole": func(ctx context.Context, c *iam.Client, role, _, _ string) error {
		_, err := c.UntagRole(ctx, &iam.UntagRoleInput{RoleName: &role, TagKeys: []string{"retained"}})
		return err
	},
	"iam:PutRolePolicy": func(ctx context.Context, c *iam.Client, role, _, _ string) error {
		_, err := c.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &role, PolicyName: new("p"), PolicyDocument: new(readBucket)})
		return err
	},
	"iam:DeleteRolePolicy": func(ctx context.Context, c *iam.Client, role, _, _ string) error {
		_, err := c.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: &role, PolicyName: new("kube-aws-iam-controller")})
		return err
	},
	"iam:AttachRolePolicy": func(ctx context.Context, c *iam.Client, role, _, boundary string) error {
		_, err := c.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: &role, PolicyArn: &boundary})
		return err
	},
	"iam:DetachRolePolicy": func(ctx context.Context, c *iam.Client, role, _, boundary string) error {
		_, err := c.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: &role, PolicyArn: &boundary})
		return err
	},
	"iam:PutRolePermissionsBoundary": func(ctx context.Context, c *iam.Client, role, _, boundary string) error {
		_, err := c.PutRolePermissionsBoundary(ctx, &iam.PutRolePermissionsBoundaryInput{RoleName: &role, PermissionsBoundary: &boundary})
		return err
	},
	"iam:UpdateAssumeRolePolicy": func(ctx context.Context, c *iam.Client, role, _, _ string) error {
		_, err := c.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: &role, PolicyDocument: new(forEC2)})
		return err
	},
	"iam:UpdateRole": func(ctx context.Context, c *iam.Client, role, _, _ string) error {
		_, err := c.UpdateRole(ctx, &iam.UpdateRoleInput{RoleName: &role, MaxSessionDuration: new(int32(7200))})
		return err
	},
	"iam:DeleteRole": func(ctx context.Context, c *iam.Client, role, _, _ string) error {
		_, err := c.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: &role})
		return err
	},
	"iam:GetRole": func(ctx context.Context, c *iam.Client, role, _, _ string) error {
		_, err := c.GetRole(ctx, &iam.GetRoleInput{RoleName: &role})
		return err
	},
	"iam:GetRolePolicy": func(ctx context.Context, c *iam.Client, role, _, _ string) error {
		_, err := c.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: &role, PolicyName: new("kube-aws-iam-controller")})
		return err
	},
	"iam:ListRolePolicies": func(ctx context.Context, c *iam.Client, role, _, _ string) error {
		_, err := c.ListRolePolicies(ctx, &iam.ListRolePoliciesInput{RoleName: &role})
		return err
	},
	"iam:ListAttachedRolePolicies": func(ctx context.Context, c *iam.Client, role, _, _ string) error {
		_, err := c.ListAttachedRolePolicies(ctx, &iam.ListAttachedRolePoliciesInput{RoleName: &role})
		return err
	},
	"iam:ListInstanceProfilesForRole": func(ctx context.Context, c *iam.Client, role, _, _ string) error {
		_, err := c.ListInstanceProfilesForRole(ctx, &iam.ListInstanceProfilesForRoleInput{RoleName: &role})
		return err
	},
}

// second is another cluster in the world, with a stack of its own.
func (w *world) second() *world {
	w.t.Helper()
	second := *w
	policy := strings.ReplaceAll(shipped(w.t).text(w.t), clusterName, neighbour)
	var err error
	second.boundary, err = w.AddManagedPolicy(home, "/", "kube-aws-iam-controller-boundary-"+neighbour, example(w.t, "iam", "permissions-boundary.json"))
	require.NoError(w.t, err)
	second.controller = w.role(awssim.RoleSpec{Name: "kube-aws-iam-controller-" + neighbour, Trust: forEC2, Policies: map[string]string{"controller": policy}})
	creds, err := w.RoleCredentials(home, "kube-aws-iam-controller-"+neighbour, "test", time.Hour)
	require.NoError(w.t, err)
	second.config = w.as(creds)
	second.iam = iam.NewFromConfig(second.config)
	return &second
}

func TestTwoClustersOfAnAccountCannotTouchEachOther(t *testing.T) {
	first := newWorld(t, shipped(t).text(t))
	second := first.second()
	roles := map[*world]identity.Role{}
	for w, cluster := range map[*world]string{first: clusterName, second: neighbour} {
		p, assumer, err := w.running(cluster, w.boundary)
		require.NoError(t, err)
		_, roles[w], err = w.served(p, assumer)
		require.NoError(t, err, "each does its own work")
	}
	for _, s := range shipped(t).Statement {
		for _, action := range append(texts(s["Action"]), texts([]any{s["Action"]})...) {
			if s["Effect"] == "Allow" && strings.HasPrefix(action, "iam:") && action != "iam:ListRoles" {
				assert.Contains(t, onARole, action)
			}
		}
	}
	for thief, victim := range map[*world]*world{first: second, second: first} {
		target := roles[victim].ARN
		for action, do := range onARole {
			for _, boundary := range []string{thief.boundary, victim.boundary} {
				require.ErrorContains(t, do(t.Context(), thief.iam, target.Name, "/"+target.Path, boundary), "AccessDenied", action)
			}
		}
		_, err := sts.NewFromConfig(thief.config).AssumeRole(t.Context(), &sts.AssumeRoleInput{
			RoleArn: new(target.String()), RoleSessionName: new("team.app"), ExternalId: new("team/" + strings.Split(target.Path, "/")[1]),
		})
		require.ErrorContains(t, err, "AccessDenied")
		for action, do := range onARole { // they are real calls: one's own roles take them
			if action != "iam:CreateRole" && action != "iam:DeleteRole" {
				if err := do(t.Context(), victim.iam, target.Name, "/"+target.Path, victim.boundary); err != nil {
					assert.NotContains(t, err.Error(), "AccessDenied", action)
				}
			}
		}
	}
}

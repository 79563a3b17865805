package iam

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// denied are what the controller's credentials must not be good for in the wrong hands. Each returns nil if it was
// possible.
var denied = map[string]func(*world, context.Context) error{
	"a role without a boundary": func(w *world, ctx context.Context) error {
		return w.create(ctx, path, "", "kube-aws-iam-controller", clusterName)
	},
	"a role with another boundary": func(w *world, ctx context.Context) error {
		return w.create(ctx, path, w.wide, "kube-aws-iam-controller", clusterName)
	},
	"a role that is not tagged": func(w *world, ctx context.Context) error { return w.create(ctx, path, w.boundary, "", clusterName) },
	"a role that is tagged for no cluster": func(w *world, ctx context.Context) error {
		return w.create(ctx, path, w.boundary, "kube-aws-iam-controller", "")
	},
	"a role outside the path": func(w *world, ctx context.Context) error {
		return w.create(ctx, "/elsewhere/", w.boundary, "kube-aws-iam-controller", clusterName)
	},
	"another boundary for a role": func(w *world, ctx context.Context) error { return w.bound(ctx, "ours", w.wide) },
	"no boundary for a role": func(w *world, ctx context.Context) error {
		_, err := w.iam.DeleteRolePermissionsBoundary(ctx, &iam.DeleteRolePermissionsBoundaryInput{RoleName: new("ours")})
		return err
	},
	"a policy for a role without the boundary":         deniedOn("unbounded")["policy"],
	"a managed policy for a role without the boundary": deniedOn("unbounded")["managed policy"],
	"the trust of a role without the boundary":         deniedOn("unbounded")["trust"],
	"a policy for itself":                              deniedOn(controllerName)["policy"],
	"the trust of a role outside the path":             deniedOn("elsewhere")["trust"],
	"the trust of a role of somebody else":             deniedOn("theirs")["trust"],
	"somebody else's role made one's own":              func(w *world, ctx context.Context) error { return w.adopt(ctx, "theirs") },
	"a role outside the path made one's own":           func(w *world, ctx context.Context) error { return w.adopt(ctx, "elsewhere") },
	"one's own role given away":                        func(w *world, ctx context.Context) error { return w.tag(ctx, "ours", "managed-by", "somebody") },
	"the mark of ownership taken off":                  func(w *world, ctx context.Context) error { return w.untag(ctx, "ours", "managed-by") },
	"the mark of ownership taken off, in another case": func(w *world, ctx context.Context) error { return w.untag(ctx, "ours", "Managed-By") },
	"a look at a policy that is not the boundary": func(w *world, ctx context.Context) error {
		_, err := w.iam.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: &w.wide})
		return err
	},
	"the deletion of a role that is not tagged":           func(w *world, ctx context.Context) error { return w.destroy(ctx, "untagged") },
	"the deletion of a role outside the path":             func(w *world, ctx context.Context) error { return w.destroy(ctx, "elsewhere") },
	"a look at a role outside the path":                   func(w *world, ctx context.Context) error { return w.look(ctx, "elsewhere") },
	"a session of a role in an account that is not meant": func(w *world, ctx context.Context) error { return w.assume(ctx, third, "demo-app") },
	"a session of another account's administrator": func(w *world, ctx context.Context) error {
		return w.assume(ctx, other, "OrganizationAccountAccessRole")
	},
	"a session of the account's administrator": func(w *world, ctx context.Context) error { return w.assume(ctx, home, "OrganizationAccountAccessRole") },
	"the trust of a role of another cluster":   deniedOn("astray")["trust"],
	"another cluster's role made one's own": func(w *world, ctx context.Context) error {
		return w.tag(ctx, "astray", "kubernetes-cluster", clusterName)
	},
	"one's own role given to another cluster": func(w *world, ctx context.Context) error { return w.tag(ctx, "ours", "kubernetes-cluster", neighbour) },
	"a tag that is none of the controller's":  func(w *world, ctx context.Context) error { return w.tag(ctx, "ours", "team", "payments") },
	"a tag in another case": func(w *world, ctx context.Context) error {
		return w.tag(ctx, "ours", "Kubernetes-Namespace", "payments")
	},
	"a call to tag with nothing": func(w *world, ctx context.Context) error { return w.tag(ctx, "ours") },
	"somebody's role taken out of an instance profile": func(w *world, ctx context.Context) error {
		_, err := w.iam.RemoveRoleFromInstanceProfile(ctx, &iam.RemoveRoleFromInstanceProfileInput{RoleName: new("elsewhere"), InstanceProfileName: new("foreign")})
		return err
	},
}

// deniedOn are those that a role can be widened or taken over by.
func deniedOn(role string) map[string]func(*world, context.Context) error {
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

func (w *world) create(ctx context.Context, path, boundary, owner, cluster string) error {
	in := &iam.CreateRoleInput{RoleName: new("new"), Path: &path, AssumeRolePolicyDocument: new(forEC2)}
	if boundary != "" {
		in.PermissionsBoundary = &boundary
	}
	for key, value := range tags(owner, cluster) {
		in.Tags = append(in.Tags, types.Tag{Key: &key, Value: &value})
	}
	_, err := w.iam.CreateRole(ctx, in)
	return err
}

func (w *world) bound(ctx context.Context, role, boundary string) error {
	_, err := w.iam.PutRolePermissionsBoundary(ctx, &iam.PutRolePermissionsBoundaryInput{RoleName: &role, PermissionsBoundary: &boundary})
	return err
}

func (w *world) adopt(ctx context.Context, role string) error {
	return w.tag(ctx, role, "managed-by", "kube-aws-iam-controller", "kubernetes-cluster", clusterName)
}

// tag puts tags on a role, given as pairs.
func (w *world) tag(ctx context.Context, role string, pairs ...string) error {
	in := &iam.TagRoleInput{RoleName: &role, Tags: []types.Tag{}}
	for i := 0; i < len(pairs); i += 2 {
		in.Tags = append(in.Tags, types.Tag{Key: &pairs[i], Value: &pairs[i+1]})
	}
	_, err := w.iam.TagRole(ctx, in)
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

func (w *world) assume(ctx context.Context, account, role string) error {
	_, err := sts.NewFromConfig(w.config).AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: new("arn:aws:iam::" + account + ":role/" + role), RoleSessionName: new("x1")})
	return err
}

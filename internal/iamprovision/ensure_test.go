package iamprovision

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/awserr"
	"kube-aws-iam-controller/internal/awssim"
	"kube-aws-iam-controller/internal/identity"
)

const trustOfApp = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:role/infra/controller"},` +
	`"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"team/prod","sts:RoleSessionName":"team.app"},"Null":{"aws:PrincipalTag/kubernetes-pod-uid":"true"}}},` +
	`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:role/infra/controller"},"Action":"sts:TagSession"}]}`

var tagsOfApp = map[string]string{
	"managed-by": "kube-aws-iam-controller", "kubernetes-cluster": "prod", "kubernetes-namespace": "team", "kubernetes-service-account": "app", "cost": "1",
}

func TestCreationTakesTwoWritesAndNoRead(t *testing.T) {
	w, seen := newWorld(t), 0
	role := w.ensure(w.provisioner(), desired(policyA), "")
	assert.Equal(t, []string{"CreateRole", "PutRolePolicy"}, w.calls(&seen))
	assert.True(t, role.Created)
	assert.Regexp(t, `^AROA[A-Z2-7]{17}$`, role.ID)
	assert.WithinDuration(t, time.Now(), role.Since, time.Minute)
	assert.Regexp(t, `^arn:aws:iam::123456789012:role/kube-aws-iam-controller/prod/team\.app-[0-9a-f]{10}$`, role.ARN.String())
	assert.Equal(t, roleState{
		path: "/kube-aws-iam-controller/prod/", trust: trustOfApp, boundary: w.boundary, session: 3600, tags: tagsOfApp,
		inline: map[string]string{"kube-aws-iam-controller": policyA},
	}, w.state(role.ARN.Name))
}

func TestManagedPolicies(t *testing.T) {
	w := newWorld(t)
	role := w.ensure(w.provisioner(), desired("", w.managed, w.other), "")
	got := w.state(role.ARN.Name)
	assert.Equal(t, []string{w.managed, w.other}, got.attached)
	assert.Empty(t, got.inline)
	w.ensure(w.provisioner(), desired(policyA, w.managed), role.ID)
	got = w.state(role.ARN.Name)
	assert.Equal(t, []string{w.managed}, got.attached)
	assert.Equal(t, map[string]string{"kube-aws-iam-controller": policyA}, got.inline)
}

func TestEnsureWritesOnlyWhatDiffers(t *testing.T) {
	reordered := `{ "Statement": {"Resource": ["*"], "Action": ["s3:GetObject"], "Effect": "Allow"},  "Version": "2012-10-17" }`
	for name, tc := range map[string]struct {
		change  func(*world, *identity.Desired)
		options func(*world, *Options)
		writes  []string
		kinds   []string
	}{
		"nothing":           {},
		"order and form":    {change: func(_ *world, d *identity.Desired) { d.Managed.Policy = reordered }},
		"policy":            {change: func(_ *world, d *identity.Desired) { d.Managed.Policy = policyB }, writes: []string{"PutRolePolicy"}, kinds: []string{inlineKind}},
		"no policy":         {change: func(_ *world, d *identity.Desired) { d.Managed.Policy = "" }, writes: []string{"DeleteRolePolicy"}, kinds: []string{inlineKind}},
		"managed policy":    {change: func(w *world, d *identity.Desired) { d.Managed.ManagedPolicies = []string{w.other} }, writes: []string{"AttachRolePolicy", "DetachRolePolicy"}, kinds: []string{managedKind}},
		"session":           {change: func(_ *world, d *identity.Desired) { d.SessionDuration = 2 * time.Hour }, writes: []string{"UpdateRole"}, kinds: []string{sessionKind}},
		"short session":     {change: func(_ *world, d *identity.Desired) { d.SessionDuration = 15 * time.Minute }},
		"boundary":          {options: func(w *world, o *Options) { o.Boundary = w.managed; w.grant(o.Boundary) }, writes: []string{"PutRolePermissionsBoundary"}, kinds: []string{boundaryKind}},
		"no boundary":       {options: func(w *world, o *Options) { o.Boundary, o.AllowWithoutBoundary = "", true; w.grant("") }, writes: []string{"DeleteRolePermissionsBoundary"}, kinds: []string{boundaryKind}},
		"a tag of the flag": {options: func(_ *world, o *Options) { o.Tags = map[string]string{"cost": "2"} }, writes: []string{"TagRole"}, kinds: []string{tagsKind}},
	} {
		t.Run(name, func(t *testing.T) {
			w, seen := newWorld(t), 0
			role := w.ensure(w.provisioner(), desired(policyA, w.managed), "")
			want := desired(policyA, w.managed)
			if tc.change != nil {
				tc.change(w, &want)
			}
			p := w.provisioner(func(o *Options) {
				if tc.options != nil {
					tc.options(w, o)
				}
			})
			w.calls(&seen)
			again := w.ensure(p, want, role.ID)
			var writes []string
			for _, action := range w.calls(&seen) {
				if !strings.HasPrefix(action, "Get") && !strings.HasPrefix(action, "List") {
					writes = append(writes, action)
				}
			}
			assert.Equal(t, tc.writes, writes)
			assert.Equal(t, tc.kinds, again.Changed)
			assert.Equal(t, role.ID, again.ID)
			assert.False(t, again.Created)
			w.ensure(p, want, role.ID)
			for _, action := range w.calls(&seen) {
				assert.Regexp(t, "^(Get|List)", action, "once is enough")
			}
		})
	}
}

func TestDriftIsCorrected(t *testing.T) {
	w := newWorld(t)
	p := w.provisioner()
	role := w.ensure(p, desired(policyA, w.managed), "")
	want := w.state(role.ARN.Name)
	ctx, of := t.Context(), &role.ARN.Name
	for name, tc := range map[string]struct {
		harm func() error
		kind string
	}{
		"another inline policy": {func() error {
			_, err := w.admin.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: of, PolicyName: new("more"), PolicyDocument: new(policyB)})
			return err
		}, inlineKind},
		"our inline policy": {func() error {
			_, err := w.admin.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: of, PolicyName: new(policyName), PolicyDocument: new(policyB)})
			return err
		}, inlineKind},
		"no inline policy": {func() error {
			_, err := w.admin.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: of, PolicyName: new(policyName)})
			return err
		}, inlineKind},
		"another attachment": {func() error {
			_, err := w.admin.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: of, PolicyArn: &w.other})
			return err
		}, managedKind},
		"no attachment": {func() error {
			_, err := w.admin.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: of, PolicyArn: &w.managed})
			return err
		}, managedKind},
		"trust": {func() error {
			_, err := w.admin.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: of, PolicyDocument: new(strings.Replace(trustOfApp, "team/prod", "evil/prod", 1))})
			return err
		}, trustKind},
		"boundary": {func() error {
			_, err := w.admin.DeleteRolePermissionsBoundary(ctx, &iam.DeleteRolePermissionsBoundaryInput{RoleName: of})
			return err
		}, boundaryKind},
		"session": {func() error {
			_, err := w.admin.UpdateRole(ctx, &iam.UpdateRoleInput{RoleName: of, MaxSessionDuration: new(int32(43200))})
			return err
		}, sessionKind},
		"a tag": {func() error {
			_, err := w.admin.UntagRole(ctx, &iam.UntagRoleInput{RoleName: of, TagKeys: []string{"cost"}})
			return err
		}, tagsKind},
		"retained": {func() error {
			_, err := w.admin.TagRole(ctx, &iam.TagRoleInput{RoleName: of, Tags: toTags(map[string]string{"retained": "true"})})
			return err
		}, tagsKind},
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, tc.harm())
			seen := 0
			w.calls(&seen)
			differs, err := p.Differs(ctx, desired(policyA, w.managed), role.ID)
			require.NoError(t, err)
			assert.Equal(t, []string{tc.kind}, differs.Changed)
			for _, action := range w.calls(&seen) {
				assert.Regexp(t, "^(Get|List)", action, "to look is to write nothing")
			}
			again := w.ensure(p, desired(policyA, w.managed), role.ID)
			assert.Equal(t, []string{tc.kind}, again.Changed)
			assert.Equal(t, want, w.state(role.ARN.Name))
			differs, err = p.Differs(ctx, desired(policyA, w.managed), role.ID)
			require.NoError(t, err)
			assert.Empty(t, differs.Changed)
		})
	}
}

func TestTrustIsRepairedAfterThePrincipalIsRecreated(t *testing.T) {
	w := newWorld(t)
	role := w.ensure(w.provisioner(), desired(policyA), "")
	w.RemoveRole(home, "controller")
	_, err := w.AddRole(awssim.RoleSpec{Account: home, Path: "/infra/", Name: "controller", Policies: map[string]string{"prod": w.shipped(w.boundary, "prod")}, Trust: strings.ReplaceAll(trustOfApp, "arn:aws:iam::123456789012:role/infra/controller", home)})
	require.NoError(t, err)
	assert.Contains(t, w.state(role.ARN.Name).trust, "AROA")
	again := w.ensure(w.provisioner(), desired(policyA), role.ID)
	assert.Equal(t, []string{trustKind}, again.Changed)
	assert.JSONEq(t, trustOfApp, w.state(role.ARN.Name).trust)
}

func TestEnsureCompletesAnInterruptedCreation(t *testing.T) {
	for name, fault := range map[string]awssim.Fault{
		"answer to CreateRole lost":    {Action: "CreateRole", Drop: true, Times: 1},
		"PutRolePolicy failed":         {Action: "PutRolePolicy", Code: "ServiceFailure", Times: 1},
		"answer to PutRolePolicy lost": {Action: "PutRolePolicy", Drop: true, Times: 1},
		"AttachRolePolicy throttled":   {Action: "AttachRolePolicy", Code: "Throttling", Times: 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			p := w.provisioner()
			w.Set(awssim.Settings{Faults: &[]awssim.Fault{fault}})
			half, err := p.Ensure(t.Context(), desired(policyA, w.managed), "")
			requireError(t, err, api.ProvisionFailed, "Failed to provision role 'team.app-")
			assert.Equal(t, fault.Action != "CreateRole", half.Created, "what is known of it is told")
			role := w.ensure(p, desired(policyA, w.managed), "")
			assert.False(t, role.Created)
			got := w.state(role.ARN.Name)
			assert.Equal(t, map[string]string{"kube-aws-iam-controller": policyA}, got.inline)
			assert.Equal(t, []string{w.managed}, got.attached)
			assert.Equal(t, tagsOfApp, got.tags)
		})
	}
}

func TestDeletedRoleIsRecreated(t *testing.T) {
	w := newWorld(t)
	p := w.provisioner()
	role := w.ensure(p, desired(policyA), "")
	w.RemoveRole(home, role.ARN.Name)
	differs, err := p.Differs(t.Context(), desired(policyA), role.ID)
	require.NoError(t, err)
	assert.Equal(t, []string{missingKind}, differs.Changed)
	_, err = p.Ensure(t.Context(), desired(policyA), role.ID)
	require.ErrorIs(t, err, identity.ErrRoleGone, "who knew it has to forget it first")
	again := w.ensure(p, desired(policyA), "")
	assert.True(t, again.Created)
	assert.NotEqual(t, role.ID, again.ID)
}

func TestForeignRolesAreNotChanged(t *testing.T) {
	w := newWorld(t)
	p := w.provisioner()
	own := RoleName("prod", app)
	mine := ownerTags("prod", app)
	for name, tc := range map[string]struct {
		spec awssim.RoleSpec
		says string
	}{
		"no tags":           {awssim.RoleSpec{Name: own}, "it lacks the tags that identify this ServiceAccount"},
		"another cluster's": {awssim.RoleSpec{Name: own, Tags: map[string]string{"managed-by": api.ControllerName, "kubernetes-cluster": "dev", "kubernetes-namespace": ns, "kubernetes-service-account": "app"}}, "it lacks the tags that identify this ServiceAccount"},
		"a tag's case":      {awssim.RoleSpec{Name: own, Tags: map[string]string{"managed-by": api.ControllerName, "kubernetes-cluster": "prod", "kubernetes-namespace": "Team", "kubernetes-service-account": "app"}}, "it lacks the tags that identify this ServiceAccount"},
		"other case":        {awssim.RoleSpec{Name: strings.ToUpper(own), Tags: mine}, "its name differs in case"},
	} {
		t.Run(name, func(t *testing.T) {
			w.RemoveRole(home, own)
			tc.spec.Account, tc.spec.Path, tc.spec.Trust = home, DefaultPath("prod"), strings.ReplaceAll(trustOfApp, "team/prod", "x/y")
			_, err := w.AddRole(tc.spec)
			require.NoError(t, err)
			before := w.state(own)
			_, err = p.Ensure(t.Context(), desired(policyA), "")
			requireError(t, err, api.RoleNotOwned, tc.says)
			deleted, err := p.Delete(t.Context(), app, "")
			requireError(t, err, api.RoleNotOwned, tc.says)
			assert.False(t, deleted)
			_, err = p.Retain(t.Context(), app, "")
			requireError(t, err, api.RoleNotOwned, tc.says)
			assert.Equal(t, before, w.state(own))
		})
	}
}

func TestRecreatedRoleIsNotOwned(t *testing.T) {
	w := newWorld(t)
	p := w.provisioner()
	role := w.ensure(p, desired(policyA), "")
	w.RemoveRole(home, role.ARN.Name)
	_, err := w.AddRole(awssim.RoleSpec{Account: home, Path: DefaultPath("prod"), Name: role.ARN.Name, Trust: trustOfApp, Tags: ownerTags("prod", app)})
	require.NoError(t, err)
	_, err = p.Ensure(t.Context(), desired(policyA), role.ID)
	requireError(t, err, api.RoleNotOwned, "created again by somebody else")
	_, err = p.Differs(t.Context(), desired(policyA), role.ID)
	requireError(t, err, api.RoleNotOwned, "created again by somebody else")
	_, err = p.Delete(t.Context(), app, role.ID)
	requireError(t, err, api.RoleNotOwned, "created again by somebody else")
	w.state(role.ARN.Name)
}

func TestRoleAtAnotherPathIsReported(t *testing.T) {
	w := newWorld(t)
	role := w.ensure(w.provisioner(), desired(policyA), "")
	p := w.provisioner(func(o *Options) { o.Path = "/elsewhere/" })
	_, err := p.Ensure(t.Context(), desired(policyA), role.ID)
	requireError(t, err, api.ProvisionFailed, "it is at the path /kube-aws-iam-controller/prod/, not /elsewhere/")
}

func TestInvisibleRoleIsTransient(t *testing.T) {
	w := newWorld(t)
	p := w.provisioner()
	w.Set(awssim.Settings{Propagation: new(awssim.Duration(8 * time.Second))})
	half, err := p.Ensure(t.Context(), desired(policyA), "")
	requireError(t, err, api.ProvisionFailed, "not authorized to perform: iam:PutRolePolicy") // its tags are not seen yet
	assert.True(t, half.Created)
	_, err = p.Ensure(t.Context(), desired(policyA), "")
	requireError(t, err, api.ProvisionFailed, "cannot be seen yet")
	w.late = 9 * time.Second
	w.ensure(p, desired(policyA), "")
}

func TestProvisioningIsDisabledByDefault(t *testing.T) {
	w, seen := newWorld(t), 0
	for name, tc := range map[string]struct {
		change func(*Options)
		says   string
	}{
		"no boundary": {func(o *Options) { o.Boundary = "" }, "--permissions-boundary"},
		"no cluster":  {func(o *Options) { o.ClusterName = "" }, "--cluster-name"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.provisioner(tc.change).Ensure(t.Context(), desired(policyA), "")
			var invalid *identity.InvalidError
			require.ErrorAs(t, err, &invalid)
			assert.Equal(t, api.ProvisioningDisabled, invalid.Reason)
			assert.Contains(t, invalid.Message, tc.says)
			assert.Empty(t, w.calls(&seen))
		})
	}
	w.grant("")
	role := w.ensure(w.provisioner(func(o *Options) { o.Boundary, o.AllowWithoutBoundary = "", true }), desired(policyA), "")
	assert.Empty(t, w.state(role.ARN.Name).boundary)
}

func TestErrorsQuoteIAM(t *testing.T) {
	w := newWorld(t)
	_, err := w.provisioner().Ensure(t.Context(), desired(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*","Extra":1}]}`), "")
	requireError(t, err, api.ProvisionFailed, "MalformedPolicyDocument: Syntax errors in policy; correct iam.amazonaws.com/role-policy")
	w.grant("arn:aws:iam::123456789012:policy/none")
	_, err = w.provisioner(func(o *Options) { o.Boundary = "arn:aws:iam::123456789012:policy/none" }).Ensure(t.Context(), identity.Desired{
		Key: identity.Key{Namespace: "n", Name: "m"}, Managed: &identity.ManagedRole{Policy: policyA}, SessionDuration: time.Hour,
	}, "")
	requireError(t, err, api.ProvisionFailed, "NoSuchEntity: Scope ARN: arn:aws:iam::123456789012:policy/none does not exist or is not attachable; this is the controller's --permissions-boundary")
}

func TestUnknownPrincipalIsReportedWithItsRemedy(t *testing.T) {
	w, seen := newWorld(t), 0
	p := w.provisioner(func(o *Options) {
		o.Principal = func(context.Context) (string, error) {
			return "", fmt.Errorf("%w: give --controller-role-arn", awserr.Describe(&smithy.GenericAPIError{Code: "AccessDenied", Message: "no"}))
		}
	})
	_, err := p.Ensure(t.Context(), desired(policyA), "")
	requireError(t, err, api.ProvisionFailed, "AccessDenied: no: give --controller-role-arn")
	_, err = p.Differs(t.Context(), desired(policyA), "AROA")
	requireError(t, err, api.ProvisionFailed, "give --controller-role-arn")
	assert.Empty(t, w.calls(&seen))
}

func TestRequestsAreRateLimited(t *testing.T) {
	w, seen := newWorld(t), 0
	p := w.provisioner(func(o *Options) { o.QPS = 0.001 }) // one at once, the next after longer than there is time
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := p.Ensure(ctx, desired(policyA), "")
	requireError(t, err, api.ProvisionFailed, "wait for a turn at IAM: ")
	assert.Equal(t, []string{"CreateRole"}, w.calls(&seen))
	_, err = p.Delete(ctx, app, "")
	requireError(t, err, api.ProvisionFailed, "wait for a turn at IAM: ")
	assert.Empty(t, w.calls(&seen))
}

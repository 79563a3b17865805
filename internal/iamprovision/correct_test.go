package iamprovision

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/awssim"
	"kube-aws-iam-controller/internal/identity"
)

// breakEverything changes everything that can differ in a role with one managed
// policy.
func (w *world) breakEverything(role string) {
	w.t.Helper()
	ctx := w.t.Context()
	for _, harm := range []func() error{
		func() error {
			_, err := w.admin.DeleteRolePermissionsBoundary(ctx, &iam.DeleteRolePermissionsBoundaryInput{RoleName: &role})
			return err
		},
		func() error {
			trust := strings.Replace(trustOfApp, "team/prod", "evil/prod", 1)
			_, err := w.admin.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: &role, PolicyDocument: &trust})
			return err
		},
		func() error {
			_, err := w.admin.UpdateRole(ctx, &iam.UpdateRoleInput{RoleName: &role, MaxSessionDuration: new(int32(43200))})
			return err
		},
		func() error {
			_, err := w.admin.UntagRole(ctx, &iam.UntagRoleInput{RoleName: &role, TagKeys: []string{"cost"}})
			return err
		},
		func() error {
			_, err := w.admin.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: &role, PolicyArn: &w.managed})
			return err
		},
		func() error {
			_, err := w.admin.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: &role, PolicyArn: &w.other})
			return err
		},
		func() error {
			_, err := w.admin.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &role, PolicyName: new(policyName), PolicyDocument: new(policyB)})
			return err
		},
		func() error {
			_, err := w.admin.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &role, PolicyName: new("more"), PolicyDocument: new(policyB)})
			return err
		},
	} {
		require.NoError(w.t, harm())
	}
}

// writes returns the writes since the previous call of calls.
func (w *world) writes(seen *int) []string {
	var writes []string
	for _, action := range w.calls(seen) {
		if !strings.HasPrefix(action, "Get") && !strings.HasPrefix(action, "List") {
			writes = append(writes, action)
		}
	}
	return writes
}

// correctionOrder lists all corrections in order.
var correctionOrder = []string{
	"PutRolePermissionsBoundary", "UpdateAssumeRolePolicy", "TagRole",
	"DeleteRolePolicy", "AttachRolePolicy", "PutRolePolicy", "DetachRolePolicy", "UpdateRole",
}

// correctedBefore is what is reported if the write at the same index fails.
var correctedBefore = [][]string{
	nil, {boundaryKind}, {boundaryKind, trustKind},
	{boundaryKind, trustKind, tagsKind},
	{boundaryKind, trustKind, tagsKind, inlineKind},
	{boundaryKind, trustKind, tagsKind, managedKind, inlineKind},
	{boundaryKind, trustKind, tagsKind, managedKind, inlineKind},
	{boundaryKind, trustKind, tagsKind, managedKind, inlineKind},
}

func TestCorrectionOrder(t *testing.T) {
	w := newWorld(t)
	p := w.provisioner()
	role := w.ensure(p, desired(policyA, w.managed), "")
	want := w.state(role.ARN.Name)
	w.breakEverything(role.ARN.Name)
	seen := 0
	w.calls(&seen)
	again := w.ensure(p, desired(policyA, w.managed), role.ID)
	assert.Equal(t, correctionOrder, w.writes(&seen))
	assert.Equal(t, []string{boundaryKind, trustKind, tagsKind, managedKind, inlineKind, sessionKind}, again.Changed)
	assert.Equal(t, want, w.state(role.ARN.Name))
}

func TestCorrectionContinuesAfterAFailure(t *testing.T) {
	for i, action := range correctionOrder {
		t.Run(action, func(t *testing.T) {
			w := newWorld(t)
			p := w.provisioner()
			role := w.ensure(p, desired(policyA, w.managed), "")
			want := w.state(role.ARN.Name)
			w.breakEverything(role.ARN.Name)
			seen := 0
			w.calls(&seen)
			w.Set(awssim.Settings{Faults: &[]awssim.Fault{{Action: action, Code: "ServiceFailure"}}})
			half, err := p.Ensure(t.Context(), desired(policyA, w.managed), role.ID)
			require.Error(t, err)
			assert.Equal(t, correctedBefore[i], half.Changed, "what was corrected is told all the same")
			w.Set(awssim.Settings{Faults: &[]awssim.Fault{}})
			assert.Equal(t, correctionOrder[:i+1], w.writes(&seen), "it ends there")
			w.ensure(p, desired(policyA, w.managed), role.ID)
			assert.Equal(t, correctionOrder[i:], w.writes(&seen), "and begins there again")
			assert.Equal(t, want, w.state(role.ARN.Name))
		})
	}
}

// policies returns the ARNs of attached policies and the names of inline policies.
func (w *world) policies(role string) (attached, inline []string) {
	w.t.Helper()
	pages := iam.NewListAttachedRolePoliciesPaginator(w.admin, &iam.ListAttachedRolePoliciesInput{RoleName: &role})
	for pages.HasMorePages() {
		page, err := pages.NextPage(w.t.Context())
		require.NoError(w.t, err)
		for _, policy := range page.AttachedPolicies {
			attached = append(attached, *policy.PolicyArn)
		}
	}
	names, err := w.admin.ListRolePolicies(w.t.Context(), &iam.ListRolePoliciesInput{RoleName: &role})
	require.NoError(w.t, err)
	return attached, names.PolicyNames
}

func TestFailedAdditionRemovesNoPolicy(t *testing.T) {
	const missing = "arn:aws:iam::aws:policy/NoSuchPolicy"
	for name, tc := range map[string]struct {
		refuse string // the action
		ask    func(w *world) identity.Desired
	}{
		"a managed policy that does not exist in place of another": {"", func(*world) identity.Desired { return desired(policyA, missing) }},
		"one that does not exist in place of the inline policy":    {"", func(w *world) identity.Desired { return desired("", w.managed, missing) }},
		"an inline policy that IAM refuses in place of all":        {"PutRolePolicy", func(*world) identity.Desired { return desired(policyB) }},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			p := w.provisioner()
			role := w.ensure(p, desired(policyA, w.managed), "")
			if tc.refuse != "" {
				w.Set(awssim.Settings{Faults: &[]awssim.Fault{{Action: tc.refuse, Code: "MalformedPolicyDocument"}}})
			}
			_, err := p.Ensure(t.Context(), tc.ask(w), role.ID)
			require.Error(t, err)
			attached, inline := w.policies(role.ARN.Name)
			assert.Equal(t, []string{w.managed}, attached)
			assert.Equal(t, []string{policyName}, inline)
		})
	}
}

func TestFullRoleExchangesPoliciesOneByOne(t *testing.T) {
	w := newWorld(t)
	p := w.provisioner()
	var before, after []string
	for i := range 10 { // the default quota of a role
		for name, list := range map[string]*[]string{"before": &before, "after": &after} {
			arn, err := w.AddManagedPolicy("123456789012", "/", fmt.Sprintf("%s-%d", name, i), policyA)
			require.NoError(t, err)
			*list = append(*list, arn)
		}
	}
	slices.Sort(before)
	slices.Sort(after)
	role := w.ensure(p, desired("", before...), "")
	w.ensure(p, desired("", after...), role.ID)
	attached, _ := w.policies(role.ARN.Name)
	assert.ElementsMatch(t, after, attached)
}

func TestTooManyPoliciesRemoveNone(t *testing.T) {
	w := newWorld(t)
	p := w.provisioner()
	var all []string
	for i := range 13 {
		arn, err := w.AddManagedPolicy("123456789012", "/", fmt.Sprintf("policy-%02d", i), policyA)
		require.NoError(t, err)
		all = append(all, arn)
	}
	before, after := all[:10], all[2:] // of which the quota lets it have 10
	role := w.ensure(p, desired("", before...), "")
	for range 2 {
		_, err := p.Ensure(t.Context(), desired("", after...), role.ID)
		require.ErrorContains(t, err, "quota")
		attached, _ := w.policies(role.ARN.Name)
		assert.Subset(t, attached, before, "running pods use them")
	}
}

func TestSessionDurationIsLoweredLast(t *testing.T) {
	for name, tc := range map[string]struct {
		from, to time.Duration
		longest  int32
	}{
		"shorter": {12 * time.Hour, time.Hour, 43200},
		"longer":  {time.Hour, 12 * time.Hour, 43200},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			p := w.provisioner()
			before, after := desired(policyA), desired(policyB)
			before.SessionDuration, after.SessionDuration = tc.from, tc.to
			role := w.ensure(p, before, "")
			w.Set(awssim.Settings{Faults: &[]awssim.Fault{{Action: "PutRolePolicy", Code: "MalformedPolicyDocument"}}})
			_, err := p.Ensure(t.Context(), after, role.ID)
			require.Error(t, err)
			have, err := w.admin.GetRole(t.Context(), &iam.GetRoleInput{RoleName: &role.ARN.Name})
			require.NoError(t, err)
			assert.Equal(t, tc.longest, *have.Role.MaxSessionDuration, "those that are last good are asked for as long as before")
			w.Set(awssim.Settings{Faults: &[]awssim.Fault{}})
			w.ensure(p, after, role.ID)
			have, err = w.admin.GetRole(t.Context(), &iam.GetRoleInput{RoleName: &role.ARN.Name})
			require.NoError(t, err)
			assert.Equal(t, int32(tc.to/time.Second), *have.Role.MaxSessionDuration)
		})
	}
}

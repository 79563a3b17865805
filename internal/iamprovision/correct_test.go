package iamprovision

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/awssim"
)

// everything is what can be wrong with a role that has one managed policy: all that there is.
func (w *world) everything(role string) {
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

// writes returns the writes since the last time calls was asked.
func (w *world) writes(seen *int) []string {
	var writes []string
	for _, action := range w.calls(seen) {
		if !strings.HasPrefix(action, "Get") && !strings.HasPrefix(action, "List") {
			writes = append(writes, action)
		}
	}
	return writes
}

// inOrder are all corrections. What takes away comes before what gives.
var inOrder = []string{
	"PutRolePermissionsBoundary", "UpdateAssumeRolePolicy", "UpdateRole", "TagRole",
	"DetachRolePolicy", "DeleteRolePolicy", "PutRolePolicy", "AttachRolePolicy",
}

// corrected is what is told of when the write at that place is refused.
var corrected = [][]string{
	nil, {boundaryKind}, {boundaryKind, trustKind}, {boundaryKind, trustKind, sessionKind},
	{boundaryKind, trustKind, sessionKind, tagsKind},
	{boundaryKind, trustKind, sessionKind, tagsKind, managedKind},
	{boundaryKind, trustKind, sessionKind, tagsKind, managedKind, inlineKind},
	{boundaryKind, trustKind, sessionKind, tagsKind, managedKind, inlineKind},
}

func TestWhatTakesAwayIsCorrectedBeforeWhatGives(t *testing.T) {
	w := newWorld(t)
	p := w.provisioner()
	role := w.made(p, wanted(policyA, w.managed), "")
	want := w.look(role.ARN.Name)
	w.everything(role.ARN.Name)
	seen := 0
	w.calls(&seen)
	again := w.made(p, wanted(policyA, w.managed), role.ID)
	assert.Equal(t, inOrder, w.writes(&seen))
	assert.Equal(t, []string{boundaryKind, trustKind, sessionKind, tagsKind, managedKind, inlineKind}, again.Changed)
	assert.Equal(t, want, w.look(role.ARN.Name))
}

// A role that is corrected in part has less than it had, and never more than it should.
func TestACorrectionThatIsRefusedGivesNothingBeforeAllElseIsTaken(t *testing.T) {
	for i, action := range inOrder {
		t.Run(action, func(t *testing.T) {
			w := newWorld(t)
			p := w.provisioner()
			role := w.made(p, wanted(policyA, w.managed), "")
			want := w.look(role.ARN.Name)
			w.everything(role.ARN.Name)
			seen := 0
			w.calls(&seen)
			w.Set(awssim.Settings{Faults: &[]awssim.Fault{{Action: action, Code: "ServiceFailure"}}})
			half, err := p.Ensure(t.Context(), wanted(policyA, w.managed), role.ID)
			require.Error(t, err)
			assert.Equal(t, corrected[i], half.Changed, "what was corrected is told all the same")
			w.Set(awssim.Settings{Faults: &[]awssim.Fault{}})
			assert.Equal(t, inOrder[:i+1], w.writes(&seen), "it ends there")
			w.made(p, wanted(policyA, w.managed), role.ID)
			assert.Equal(t, inOrder[i:], w.writes(&seen), "and begins there again")
			assert.Equal(t, want, w.look(role.ARN.Name))
		})
	}
}

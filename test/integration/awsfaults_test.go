package integration

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"kube-aws-iam-controller/internal/awssim"

	"kube-aws-iam-controller/test/kit"
)

// unreliable is AWS at its worst: what is written is seen after eight seconds, every fifth call is throttled, and every
// tenth takes effect and is not answered.
var unreliable = awssim.Settings{
	Propagation: new(awssim.Duration(8 * time.Second)),
	Faults: &[]awssim.Fault{
		{Code: "Throttling", Probability: 0.2},
		{Drop: true, Probability: 0.1},
	},
}

func TestEveryOperationSucceedsWhileAWSIsUnreliable(t *testing.T) {
	for name := range operations("") {
		t.Run(name, func(t *testing.T) {
			if !typical[name] {
				kit.FullOnly(t, "a further operation")
			}
			w := newCrashPoints(t)
			managed, err := w.aws.AddManagedPolicy(kit.AccountID, "/", "managed", readBucket)
			require.NoError(t, err)
			op := operations(managed)[name]
			foreign := w.foreign()
			w.provisioning("--role-ready-timeout=20s", "--orphan-sweep-interval=0")
			var accounts []string
			for i := range 3 {
				accounts = append(accounts, fmt.Sprintf("app-%d", i))
				if op.before != nil {
					w.accountWith(accounts[i], op.before)
				}
			}
			if op.before != nil {
				for _, account := range accounts {
					w.settled(account, op.served())
				}
			}
			w.aws.Set(unreliable)
			for _, account := range accounts {
				op.do(w, account)
			}
			for _, account := range accounts {
				w.settled(account, op.wanted)
			}
			w.aws.SetFaults()
			assert.Equal(t, foreign, w.foreign(), "roles that are not its own")
		})
	}
}

// tampered changes everything about a role that can be changed.
func (w *crashPoints) tampered(role, managed string) {
	w.t.Helper()
	ctx := w.t.Context()
	for what, change := range map[string]func() error{
		"inline-policy": func() error {
			_, err := w.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &role, PolicyName: new("more"), PolicyDocument: new(sendQueue)})
			return err
		},
		"managed-policies": func() error {
			_, err := w.iam.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: &role, PolicyArn: &managed})
			return err
		},
		"trust": func() error {
			_, err := w.iam.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: &role, PolicyDocument: new(w.aws.TrustPolicy("other/test"))})
			return err
		},
		"boundary": func() error {
			_, err := w.iam.DeleteRolePermissionsBoundary(ctx, &iam.DeleteRolePermissionsBoundaryInput{RoleName: &role})
			return err
		},
		"session": func() error {
			_, err := w.iam.UpdateRole(ctx, &iam.UpdateRoleInput{RoleName: &role, MaxSessionDuration: new(int32(43200))})
			return err
		},
		"tags": func() error {
			_, err := w.iam.TagRole(ctx, &iam.TagRoleInput{RoleName: &role, Tags: []types.Tag{{Key: new("retained"), Value: new("true")}}})
			return err
		},
	} {
		require.NoError(w.t, change(), what)
	}
}

// kindsOfDrift are those of tampered.
var kindsOfDrift = []string{"inline-policy", "managed-policies", "trust", "boundary", "session", "tags"}

func TestEveryKindOfDriftIsCorrectedAndSaidOnce(t *testing.T) {
	w := newCrashPoints(t)
	c, role := w.drifting()
	w.settled("app", operation{before: own}.served())
	for _, kind := range kindsOfDrift {
		n, err := c.Metric(t.Context(), fmt.Sprintf("kube_aws_iam_controller_role_drift_corrections_total{kind=%q}", kind))
		require.NoError(t, err)
		assert.InDelta(t, 1, n, 0, kind)
		told := fmt.Sprintf("Corrected role '%s', which had been changed outside of the controller: %s", role, kind)
		w.eventually(func(ctx context.Context) error { // events are written behind the work
			if w.said(ctx, "RoleDriftCorrected", told) == 0 {
				return fmt.Errorf("%s is not said yet", kind)
			}
			return nil
		})
	}
	for _, kind := range kindsOfDrift {
		assert.Equal(t, 1, w.said(t.Context(), "RoleDriftCorrected",
			fmt.Sprintf("Corrected role '%s', which had been changed outside of the controller: %s", role, kind)), kind)
	}
}

// said returns how often an event's message was said.
func (w *world) said(ctx context.Context, reason, message string) int {
	w.t.Helper()
	list, err := w.Client().CoreV1().Events(w.namespace).List(ctx, metav1.ListOptions{FieldSelector: "reason=" + reason})
	require.NoError(w.t, err)
	said := 0
	for i := range list.Items {
		if list.Items[i].Message == message {
			said += int(list.Items[i].Count)
		}
	}
	return said
}

func TestDriftIsCorrectedWhileAWSIsUnreliable(t *testing.T) {
	w := newCrashPoints(t)
	w.drifting()
	w.aws.Set(unreliable)
	w.settled("app", operation{before: own}.served())
	w.aws.SetFaults()
}

// drifting runs a controller, and returns it with the ARN of a role that was tampered with.
func (w *crashPoints) drifting() (*kit.Controller, string) {
	w.t.Helper()
	managed, err := w.aws.AddManagedPolicy(kit.AccountID, "/", "managed", readBucket)
	require.NoError(w.t, err)
	c := w.provisioning("--drift-interval=4s", "--orphan-sweep-interval=0")
	w.accountWith("app", own)
	w.settled("app", operation{before: own}.served())
	arn := string(w.secret("app.aws-iam", nil).Data["role-arn"])
	w.tampered(w.roleOf("app"), managed)
	w.eventually(func(ctx context.Context) error {
		state, err := w.ownState(ctx, "app")
		if err == nil && !state.Retained {
			err = fmt.Errorf("what was changed is not seen yet")
		}
		return err
	})
	return c, arn
}

package integration

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"kube-aws-iam-controller/internal/awssim"

	"kube-aws-iam-controller/test/kit"
)

// madeRoles has roles made for so many ServiceAccounts, by a controller that is gone afterwards, and returns their ARNs.
func (w *world) madeRoles(n int) (arns []string) {
	w.t.Helper()
	c := w.provisioning("--drift-interval=0", "--orphan-sweep-interval=0")
	for i := range n {
		w.accountWith(fmt.Sprintf("app-%d", i), map[string]string{policyKey: readBucket})
	}
	for i := range n {
		arns = append(arns, string(w.secret(fmt.Sprintf("app-%d.aws-iam", i), nil).Data["role-arn"]))
	}
	c.Kill()
	return arns
}

// eventuallyMetric waits until a metric of a controller has a value.
func (w *world) eventuallyMetric(c *kit.Controller, prefix string, want float64) {
	w.t.Helper()
	w.eventually(func(ctx context.Context) error {
		got, err := c.Metric(ctx, prefix)
		if err == nil && got != want {
			err = fmt.Errorf("%s is %v, not %v", prefix, got, want)
		}
		return err
	})
}

// callsTo returns the calls of the controller for roles whose names begin with prefix.
func (w *world) callsTo(prefix string) []awssim.Call {
	return slices.DeleteFunc(w.aws.Calls(), func(call awssim.Call) bool { return !strings.HasPrefix(call.Params["RoleName"], prefix) })
}

func TestDriftChecksTakeAQuarterOfTheRequestsToIAM(t *testing.T) {
	w := newWorld(t)
	w.madeRoles(6)
	before := len(w.callsTo(w.namespace + ".app-"))
	c := w.start("--permissions-boundary="+w.aws.Boundary, "--iam-qps=4", "--drift-interval=1s", "--orphan-sweep-interval=0")
	w.eventuallyMetric(c, "kube_aws_iam_controller_drift_interval_seconds ", 24) // 6 roles, 4 requests each, 1 a second
	w.eventually(func(context.Context) error {
		log, err := os.ReadFile(w.log)
		if err == nil && !strings.Contains(string(log), "interval=24s asked=1s roles=6 iamQPS=4") {
			err = fmt.Errorf("the log does not say so")
		}
		return err
	})

	const checks = 7
	require.NoError(t, kit.Eventually(t.Context(), 3*time.Minute, func(context.Context) error {
		if got := len(w.callsTo(w.namespace+".app-")) - before; got < 4*checks {
			return fmt.Errorf("%d calls for checks", got)
		}
		return nil
	}))
	calls := w.callsTo(w.namespace + ".app-")[before:]
	assert.GreaterOrEqual(t, calls[4*(checks-1)].Time.Sub(calls[0].Time), 4*(checks-2)*time.Second, "four calls in four seconds")
	actions := map[string]int{}
	for _, call := range calls[:4*checks] {
		actions[call.Action]++
	}
	assert.Equal(t, map[string]int{"GetRole": checks, "ListAttachedRolePolicies": checks, "ListRolePolicies": checks, "GetRolePolicy": checks}, actions)

	begin := len(w.aws.Calls())
	w.accountWith("late", map[string]string{policyKey: readBucket})
	w.secret("late.aws-iam", nil)
	made := w.aws.Calls()[begin:]
	at := func(action string) int {
		return slices.IndexFunc(made, func(call awssim.Call) bool {
			return call.Action == action && strings.HasPrefix(call.Params["RoleName"], w.namespace+".late-")
		})
	}
	require.NotEqual(t, -1, at("CreateRole"))
	assert.LessOrEqual(t, at("PutRolePolicy")-at("CreateRole"), 1+4, "at most the one check that goes on is in between")
}

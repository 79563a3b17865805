package attacks

import (
	"context"
	"errors"
	"fmt"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

const (
	byLabel = "admission labels ServiceAccounts that ask for nothing when they are written, and the policy for pods skips them"
	byAsk   = "admission removes the label in the request that asks for a role"
	// evaluations is the API server's count of what it looked at for nothing.
	evaluations = "apiserver_admission_match_condition_evaluation_seconds"
	hide        = `"labels":{"iam.amazonaws.com/requests":"none"}`
)

// labelAttacks are about the label of ServiceAccounts that ask for nothing.
var labelAttacks = append(hidden(map[string]func(a *attacker, annotations string) error{
	"by creating it with the label": func(a *attacker, annotations string) error {
		require.NoError(a.t, a.tenant.CoreV1().ServiceAccounts(a.namespace).Delete(a.t.Context(), "app", metav1.DeleteOptions{}))
		return a.kubectl(`{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"app",`+annotations+`,`+hide+`}}`, "create", "-f", "-")
	},
	"by a merge patch": func(a *attacker, annotations string) error {
		return a.patch("serviceaccounts", "app", `{"metadata":{`+annotations+`,`+hide+`}}`, manager)
	},
	"by a patch of the label alone": func(a *attacker, _ string) error {
		return a.patch("serviceaccounts", "app", `{"metadata":{`+hide+`}}`, manager)
	},
	"by a JSON patch": func(a *attacker, _ string) error {
		_, err := a.tenant.CoreV1().ServiceAccounts(a.namespace).Patch(a.t.Context(), "app", types.JSONPatchType,
			[]byte(`[{"op":"add","path":"/metadata/labels","value":{"iam.amazonaws.com/requests":"none"}}]`), metav1.PatchOptions{})
		return err
	},
	"by server-side apply": func(a *attacker, annotations string) error {
		return a.kubectl(`{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"app",`+annotations+`,`+hide+`}}`,
			"apply", "--server-side", "--force-conflicts", "-f", "-")
	},
	// What the controller wrote stays, or the guard would refuse it.
	"by a replacement": func(a *attacker, _ string) error {
		a.eventually(func(ctx context.Context) error {
			have, err := a.tenant.CoreV1().ServiceAccounts(a.namespace).Get(ctx, "app", metav1.GetOptions{})
			if err != nil {
				return err
			}
			have.Labels = map[string]string{"iam.amazonaws.com/requests": "none"}
			_, err = a.tenant.CoreV1().ServiceAccounts(a.namespace).Update(ctx, have, metav1.UpdateOptions{})
			return err
		})
		return nil
	},
	"by asking for nothing first": func(a *attacker, annotations string) error {
		require.NoError(a.t, a.patch("serviceaccounts", "app", `{"metadata":{"annotations":{"iam.amazonaws.com/role":null},`+hide+`}}`, manager))
		return a.patch("serviceaccounts", "app", `{"metadata":{`+annotations+`}}`, manager)
	},
}), attack{
	intent: "make pods expensive for the API server with 1,000 ServiceAccounts that ask for nothing", by: byLabel,
	try: func(a *attacker) {
		a.flood(1000, nil).wait()
		a.ask("app", "role", a.own("app"))
		a.expensive(5, 1000)
	},
}, attack{
	intent: "make pods expensive for the API server by removing the label from 1,000 ServiceAccounts", by: byLabel,
	try: func(a *attacker) {
		a.flood(1000, nil).wait()
		a.ask("app", "role", a.own("app"))
		require.NoError(a.t, a.kubectl("", "label", "serviceaccounts", "--all", "iam.amazonaws.com/requests-"))
		a.expensive(5, 1000)
	},
})

// hidden attacks would have pods of a ServiceAccount that asks for a role be admitted without credentials. The controller
// would mend that a moment later, and is not waited for.
func hidden(hows map[string]func(*attacker, string) error) (attacks []attack) {
	for _, how := range sortedKeys(hows) {
		attacks = append(attacks, attack{
			intent: "have pods silently admitted without credentials, by the label for ServiceAccounts that ask for nothing, " + how, by: byAsk,
			try: func(a *attacker) {
				a.ask("app", "role", a.own("app"))
				a.got("app.aws-iam")
				require.NoError(a.t, hows[how](a, `"annotations":{"iam.amazonaws.com/role":"`+a.own("app")+`"}`))
				a.eventually(func(ctx context.Context) error {
					made, err := a.dryPod(ctx, "app")
					if err == nil && len(made.Spec.Containers[0].Env) == 0 {
						err = errors.New("its pods are given nothing")
					}
					return err
				})
				assert.False(a.t, a.said("ServiceAccount", "app", "AdmissionSkipped"), "the controller had nothing to mend")
			},
		})
	}
	return attacks
}

func (a *attacker) dryPod(ctx context.Context, account string) (*corev1.Pod, error) {
	return a.tenant.CoreV1().Pods(a.namespace).Create(ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "p-"},
		Spec:       corev1.PodSpec{ServiceAccountName: account, Containers: []corev1.Container{{Name: "c", Image: "registry.example/c"}}},
	}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
}

// expensive counts what the API server looks at for pods. Others create some meanwhile, in small namespaces.
func (a *attacker) expensive(pods, most int) {
	a.t.Helper()
	count := func() float64 {
		n, err := a.Metric(a.t.Context(), evaluations, map[string]string{"name": "kube-aws-iam-controller"})
		require.NoError(a.t, err)
		return n
	}
	a.eventually(func(ctx context.Context) error {
		before := count()
		for range pods {
			if _, err := a.dryPod(ctx, "app"); err != nil {
				return err
			}
		}
		looked := count() - before
		if looked < float64(most) {
			return nil
		}
		return fmt.Errorf("the API server looked %.0f times", looked)
	})
}

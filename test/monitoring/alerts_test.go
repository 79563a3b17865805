package monitoring

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"kube-aws-iam-controller/internal/awssim"

	"kube-aws-iam-controller/test/kit"
)

// speed is how much faster than in a cluster things happen where alerts are to fire: an hour is two minutes. Sessions last
// two minutes in place of an hour, and the rules are rewritten to match.
const speed = 30

var (
	duration = regexp.MustCompile(`(\[|offset )(\d+)([mh])`)
	timeLeft = regexp.MustCompile(`(time\(\) < )(\d+)`)
)

// hastened is the one place that rewrites rules: `for`, ranges and offsets, and how much time is to be left.
func hastened(f ruleFile) (fast ruleFile) {
	shorter := func(number, unit string) string {
		d, _ := time.ParseDuration(number + unit)
		return strconv.Itoa(int(d.Seconds())/speed) + "s"
	}
	for _, group := range f.Groups {
		group.Rules = slices.Clone(group.Rules)
		for i, r := range group.Rules {
			if r.For != "" {
				group.Rules[i].For = shorter(r.For, "")
			}
			expr := duration.ReplaceAllStringFunc(r.Expr, func(s string) string {
				m := duration.FindStringSubmatch(s)
				return m[1] + shorter(m[2], m[3])
			})
			group.Rules[i].Expr = timeLeft.ReplaceAllStringFunc(expr, func(s string) string {
				m := timeLeft.FindStringSubmatch(s)
				seconds, _ := strconv.Atoi(m[2])
				return m[1] + strconv.FormatFloat(float64(seconds)/speed, 'f', -1, 64)
			})
		}
		fast.Groups = append(fast.Groups, group)
	}
	return fast
}

// written are rules of the same texts whose expressions are always true, with all labels that texts name.
func written(f ruleFile) (all ruleGroup) {
	all.Name = "texts"
	for _, r := range f.rules() {
		r.Alert, r.For, r.Expr = "Text"+r.Alert, "", "vector(0.5)"
		for label, value := range map[string]string{"namespace": "demo", "service": "STS", "queue": "identities", "kind": "trust", "instance": "10.0.0.1:8080"} {
			r.Expr = fmt.Sprintf("label_replace(%s, %q, %q, \"\", \"\")", r.Expr, label, value)
		}
		all.Rules = append(all.Rules, r)
	}
	return all
}

func TestPrometheusEvaluatesEveryRuleAndTheDashboardHasData(t *testing.T) {
	f := rules(t)
	w := newWorld(t, 0, ruleFile{Groups: append(f.Groups, written(f))})
	w.serve()
	firing, err := w.prometheus.firing(t.Context(), "1h")
	require.NoError(t, err)
	for name := range firing {
		assert.True(t, strings.HasPrefix(name, "Text"), "%s fires although all is well", name)
	}
	w.stranger()
	w.tamper()
	w.aws.SetFaults(awssim.Fault{Action: "GetRole", Code: "Throttling", Times: 2})
	w.busy(true)
	for title, query := range readDashboard(t).queries() {
		require.NoError(t, kit.Eventually(t.Context(), kit.Within, func(ctx context.Context) error {
			samples, err := w.prometheus.query(ctx, query)
			if err == nil && len(samples) == 0 {
				err = fmt.Errorf("%s has no data: %s", title, query)
			}
			return err
		}))
	}
	w.assertRulesAreEvaluated(2 * len(f.rules()))
}

// assertRulesAreEvaluated sees that no rule has an error, and that texts say what they are to say.
func (w *world) assertRulesAreEvaluated(count int) {
	w.t.Helper()
	var all []evaluated
	require.NoError(w.t, kit.Eventually(w.t.Context(), kit.Within, func(ctx context.Context) (err error) {
		all, err = w.prometheus.rules(ctx)
		for _, r := range all {
			if err == nil && r.Health == "unknown" {
				err = fmt.Errorf("%s is not evaluated yet", r.Name)
			}
		}
		return err
	}))
	assert.Len(w.t, all, count)
	texts := 0
	for _, r := range all {
		assert.Equal(w.t, "ok", r.Health, "%s: %s", r.Name, r.LastError)
		if !strings.HasPrefix(r.Name, "Text") {
			continue
		}
		for _, alert := range r.Alerts {
			texts++
			for _, text := range alert.Annotations {
				assert.NotRegexp(w.t, `\{\{|<no value>|<error expanding|%!`, text, r.Name)
			}
		}
	}
	assert.Equal(w.t, count/2, texts)
}

// untilFiring waits until alerts fire that name a namespace.
func (w *world) untilFiring(within time.Duration, namespaces map[string]string) {
	w.t.Helper()
	begun := time.Now()
	waiting := maps.Clone(namespaces)
	require.NoError(w.t, kit.Eventually(w.t.Context(), within, func(ctx context.Context) error {
		firing, err := w.prometheus.firing(ctx, "")
		if err != nil {
			return err
		}
		for name, namespace := range maps.Clone(waiting) {
			if got, fires := firing[name]; fires {
				assert.Equal(w.t, namespace, got, name)
				w.t.Logf("%s fires after %s", name, time.Since(begun).Round(time.Second))
				delete(waiting, name)
			}
		}
		if len(waiting) > 0 {
			return fmt.Errorf("these do not fire: %v; these do: %v", waiting, firing)
		}
		return nil
	}))
}

// untilOver waits until only those alerts fire.
func (w *world) untilOver(within time.Duration, but ...string) {
	w.t.Helper()
	require.NoError(w.t, kit.Eventually(w.t.Context(), within, func(ctx context.Context) error {
		firing, err := w.prometheus.firing(ctx, "")
		for _, name := range but {
			delete(firing, name)
		}
		if err == nil && len(firing) > 0 {
			err = fmt.Errorf("these still fire: %v", firing)
		}
		return err
	}))
}

// renew deletes all Secrets: what failed for long is otherwise tried again within five minutes, which are not hastened.
func (w *world) renew() {
	w.t.Helper()
	require.NoError(w.t, w.Client().CoreV1().Secrets(w.namespace).DeleteCollection(w.t.Context(), metav1.DeleteOptions{},
		metav1.ListOptions{LabelSelector: "iam.amazonaws.com/source=serviceaccount"}))
}

// renewed waits until every identity was renewed when it was due.
func (w *world) renewed() {
	w.t.Helper()
	const renewals = `sum(kube_aws_iam_controller_refreshes_total{reason="NearExpiry",result="success"})`
	require.NoError(w.t, kit.Eventually(w.t.Context(), 4*time.Minute, func(ctx context.Context) error {
		samples, err := w.prometheus.query(ctx, renewals)
		if err == nil && (len(samples) == 0 || samples[0].value <= served) {
			err = fmt.Errorf("not all are renewed yet: %v", samples)
		}
		return err
	}))
}

func TestAlertsFireWhenTheyShouldAndNotBefore(t *testing.T) {
	kit.FullOnly(t, "it waits until credentials are renewed, and until they expire")
	w := newWorld(t, time.Hour/speed, hastened(rules(t)))
	w.serve()
	w.busy(false)
	w.renewed()
	firing, err := w.prometheus.firing(t.Context(), "1h")
	require.NoError(t, err)
	require.Empty(t, firing, "all is well")

	w.stranger()
	w.untilFiring(2*time.Minute, map[string]string{"KubeAWSIAMCredentialsNeverIssued": w.namespace})
	firing, err = w.prometheus.firing(t.Context(), "1h")
	require.NoError(t, err)
	require.Len(t, firing, 1, "one role of one ServiceAccount")

	w.aws.SetFaults(awssim.Fault{Action: "AssumeRole", Code: "ServiceUnavailable", Status: 503}, awssim.Fault{Action: "GetRole", Code: "Throttling", Status: 400})
	w.untilFiring(6*time.Minute, map[string]string{
		"KubeAWSIAMAWSErrors": kit.Namespace, "KubeAWSIAMAWSThrottling": kit.Namespace,
		"KubeAWSIAMRenewalsFailing": w.namespace, "KubeAWSIAMManyRenewalsFailing": kit.Namespace,
		"KubeAWSIAMCredentialsExpiring": w.namespace, "KubeAWSIAMManyIdentitiesUnserved": kit.Namespace,
	})
	w.aws.SetFaults()
	w.renew()
	w.untilOver(4*time.Minute, "KubeAWSIAMCredentialsNeverIssued")

	w.rotate(15 * time.Minute / speed)
	w.untilFiring(4*time.Minute, map[string]string{"KubeAWSIAMOwnCredentialsExpiring": kit.Namespace})
	w.untilFiring(4*time.Minute, map[string]string{"KubeAWSIAMOwnCredentialsFailing": kit.Namespace})
	w.controller.Kill()
	w.untilFiring(4*time.Minute, map[string]string{"KubeAWSIAMNoLeader": "", "KubeAWSIAMTargetDown": kit.Namespace})
}

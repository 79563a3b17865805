package e2e

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/chart/loader"
	"helm.sh/helm/v4/pkg/kube"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/test/chart"
	"kube-aws-iam-controller/test/kit"
)

// renewedEarliest is how soon new credentials may follow those before: a third of the session is left, or up to a tenth
// of it more. Expirations are whole seconds.
const renewedEarliest = session - session/3 - session/10 - time.Second

// upgrade is helm upgrade --wait to the chart of another version, with other settings and with admission by policy in
// the place of the webhook, while pods use their credentials. None of them notices.
func (w *world) upgrade(pods ...string) {
	w.t.Helper()
	before, issued := w.running(pods), w.watchIssued()
	path, err := chart.Package(w.t.TempDir(), chart.Defaults{Version: "v1.1.0", Image: chart.Name})
	require.NoError(w.t, err)
	packed, err := loader.Load(path)
	require.NoError(w.t, err)
	values := w.values()
	values["admission"] = map[string]any{"mode": "policy", "defaultRegion": "eu-west-1"}
	values["logging"] = map[string]any{"debug": true, "format": "json"}
	values["resources"] = map[string]any{"requests": map[string]any{"cpu": "10m"}}
	upgrade := action.NewUpgrade(w.helm())
	upgrade.Namespace, upgrade.Timeout, upgrade.WaitStrategy, upgrade.ServerSideApply = kit.Namespace, within, kube.StatusWatcherStrategy, "auto"
	_, err = upgrade.RunWithContext(w.t.Context(), kit.Account, packed, values)
	require.NoError(w.t, err)
	w.awaitControllers()

	// Each is renewed once more, by a controller of the release.
	for _, pod := range pods {
		w.sessions(pod, w.seen(pod)+1)
	}
	assert.Equal(w.t, before, w.running(pods))
	for secret, times := range issued() {
		for i := 1; i < len(times); i++ {
			assert.GreaterOrEqual(w.t, times[i].Sub(times[i-1]), renewedEarliest, "%s has new credentials before they are due", secret)
		}
	}
	// The policy is in force by now, and the next upgrade removes the webhook.
	_, err = upgrade.RunWithContext(w.t.Context(), kit.Account, packed, values)
	require.NoError(w.t, err)
	w.awaitControllers()
	_, err = w.Client().AdmissionregistrationV1().MutatingWebhookConfigurations().Get(w.t.Context(), "kube-aws-iam-controller-webhook", metav1.GetOptions{})
	assert.True(w.t, apierrors.IsNotFound(err), "%v", err)
	require.NoError(w.t, w.pod("after", pods[0], shellImage))
	w.sessions("after", 1)
}

// running says of each pod which one it is, and how often its containers have begun.
func (w *world) running(names []string) map[string]string {
	w.t.Helper()
	found := map[string]string{}
	for _, name := range names {
		pod, err := w.Client().CoreV1().Pods(w.namespace).Get(w.t.Context(), name, metav1.GetOptions{})
		require.NoError(w.t, err)
		found[name] = string(pod.UID)
		for _, all := range [][]corev1.ContainerStatus{pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses} {
			for i := range all {
				found[name] += fmt.Sprintf(" %s has begun again %d times", all[i].Name, all[i].RestartCount)
			}
		}
	}
	return found
}

// watchIssued notes the expirations of the credentials in each Secret of the namespace. What it returns ends that.
func (w *world) watchIssued() func() map[string][]time.Time {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	w.t.Cleanup(cancel)
	secrets, err := w.Client().CoreV1().Secrets(w.namespace).Watch(ctx, metav1.ListOptions{})
	require.NoError(w.t, err)
	issued := map[string][]time.Time{}
	var watching sync.WaitGroup
	watching.Go(func() {
		for event := range secrets.ResultChan() {
			secret, is := event.Object.(*corev1.Secret)
			if !is {
				continue
			}
			expires, err := time.Parse(time.RFC3339, secret.Annotations["iam.amazonaws.com/expiration"])
			id := secret.Name + " " + string(secret.UID)
			if times := issued[id]; err == nil && (len(times) == 0 || !times[len(times)-1].Equal(expires)) {
				issued[id] = append(times, expires)
			}
		}
	})
	return func() map[string][]time.Time {
		cancel()
		watching.Wait()
		return issued
	}
}

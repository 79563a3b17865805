package chart

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v4/pkg/action"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	admissionclient "k8s.io/client-go/kubernetes/typed/admissionregistration/v1"
	"sigs.k8s.io/yaml"

	"kube-aws-iam-controller/test/cluster"
	"kube-aws-iam-controller/test/kit"
)

// reachable is a post-renderer of helm: the API server of a test reaches no Service, so the webhook is at a port of this
// machine, at the path that the controller has written. All else is as the chart has it.
type reachable struct {
	*world

	port int
}

// Run implements postrenderer.PostRenderer.
func (r reachable) Run(rendered *bytes.Buffer) (*bytes.Buffer, error) {
	objects, err := Decode(rendered.String())
	if err != nil {
		return nil, err
	}
	url := fmt.Sprintf("https://localhost:%d/mutate-pods", r.port)
	if found, err := r.webhooks().Get(context.Background(), "kube-aws-iam-controller-webhook", metav1.GetOptions{}); err == nil {
		url = *found.Webhooks[0].ClientConfig.URL
	}
	var changed bytes.Buffer
	for _, object := range objects {
		webhooks, _, _ := unstructured.NestedSlice(object.Object, "webhooks")
		for _, webhook := range webhooks {
			if webhook, is := webhook.(map[string]any); is {
				webhook["clientConfig"] = map[string]any{"url": url}
				object.Object["webhooks"] = webhooks
			}
		}
		text, err := yaml.Marshal(object.Object)
		if err != nil {
			return nil, err
		}
		changed.WriteString("---\n" + string(text))
	}
	return &changed, nil
}

func (w *world) webhooks() admissionclient.MutatingWebhookConfigurationInterface {
	return w.Client().AdmissionregistrationV1().MutatingWebhookConfigurations()
}

// A stream creates pods all the time, and counts what becomes of them.
type stream struct {
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu                         sync.Mutex
	mutated, unmutated, failed int
	last                       error
}

// createPods creates pods of a tenant's ServiceAccount, one after another, until it is stopped.
func (w *world) createPods(tenant string) *stream {
	ctx, cancel := context.WithCancel(context.Background())
	s := &stream{cancel: cancel}
	for range 2 {
		s.done.Go(func() {
			for ctx.Err() == nil {
				made, err := w.pod(ctx, tenant)
				s.mu.Lock()
				switch {
				case ctx.Err() != nil:
				case err != nil:
					s.failed, s.last = s.failed+1, err
				case len(made.Spec.Volumes) == 0:
					s.unmutated++
				default:
					s.mutated++
				}
				s.mu.Unlock()
			}
		})
	}
	w.t.Cleanup(s.stop)
	return s
}

func (s *stream) stop() {
	s.cancel()
	s.done.Wait()
}

// more waits until some hundred pods more have been created.
func (s *stream) more(t *testing.T) {
	t.Helper()
	count := func() int { s.mu.Lock(); defer s.mu.Unlock(); return s.mutated + s.unmutated + s.failed }
	before := count()
	require.NoError(t, kit.Eventually(t.Context(), kit.Within, func(context.Context) error {
		if count() < before+300 {
			return errors.New("no more pods")
		}
		return nil
	}))
}

// requireAllMutated stops creating pods.
func (s *stream) requireAllMutated(t *testing.T) {
	t.Helper()
	s.stop()
	t.Logf("%d pods mutated, %d not, %d refused", s.mutated, s.unmutated, s.failed)
	assert.Zero(t, s.unmutated, "pods without credentials")
	require.Zero(t, s.failed, "pods refused: %v", s.last)
	require.Positive(t, s.mutated)
}

// upgradeUntilGone upgrades until the other way of admission is removed, as somebody who follows the notes.
func (w *world) upgradeUntilGone(text, kind string, options ...func(*action.Upgrade)) {
	w.t.Helper()
	upgrades := 0
	require.NoError(w.t, kit.Eventually(w.t.Context(), 2*kit.Within, func(ctx context.Context) error {
		if err := w.helm().Upgrade(ctx, values(w.t, text), options...); err != nil {
			return err
		}
		upgrades++
		found, err := w.ours(ctx)
		if err == nil && strings.Contains(strings.Join(found, " "), kind) {
			err = fmt.Errorf("there are %q", found)
		}
		return err
	}))
	assert.Greater(w.t, upgrades, 1, "the first one leaves the other way of admission in force")
}

// Values of a release.
const (
	toPolicy  = `{clusterName: c, admission: {mode: policy}}`
	toWebhook = `{clusterName: c, admission: {mode: webhook}}`
)

func TestEveryPodIsMutatedWhileAdmissionChanges(t *testing.T) {
	w := newWorld(t, "iam")
	w.clear()
	port, err := cluster.FreePort(t.Context())
	require.NoError(t, err)
	post := func(u *action.Upgrade) { u.PostRenderer = reachable{w, port} }
	require.NoError(t, w.install(toWebhook, func(i *action.Install) {
		i.CreateNamespace, i.PostRenderer = true, reachable{w, port}
	}))
	tenant := w.NewNamespace(t)
	w.account(tenant)
	controller := w.runAt(tenant, port)
	w.awaitMutated(tenant)

	pods := w.createPods(tenant)
	pods.more(t)
	w.upgradeUntilGone(toPolicy, "mutatingwebhookconfigurations", post)
	pods.more(t)
	_, err = controller.Stop(t.Context())
	require.NoError(t, err)
	pods.more(t)
	pods.requireAllMutated(t)

	pods = w.createPods(tenant)
	require.NoError(t, w.helm().Upgrade(t.Context(), values(t, toWebhook), post))
	pods.more(t) // no controller answers for the webhook yet
	w.runAt(tenant, port)
	w.upgradeUntilGone(toWebhook, "mutatingadmissionpolicies", post)
	pods.more(t)
	pods.requireAllMutated(t)
}

// awaitMutated waits until a pod is given its Secret.
func (w *world) awaitMutated(tenant string) {
	w.t.Helper()
	require.NoError(w.t, kit.Eventually(w.t.Context(), kit.Within, func(ctx context.Context) error {
		made, err := w.pod(ctx, tenant)
		if err == nil && len(made.Spec.Volumes) == 0 {
			err = errors.New("the pod has no volume")
		}
		return err
	}))
}

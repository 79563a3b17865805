package integration

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"kube-aws-iam-controller/internal/awssim"

	"kube-aws-iam-controller/test/cluster"
	"kube-aws-iam-controller/test/kit"
)

// newWorldOfItsOwn has a control plane that nobody else uses, so that it can be killed and its requests counted, with
// more flags of its API server.
func newWorldOfItsOwn(t *testing.T, flags ...string) *world {
	t.Helper()
	t.Parallel()
	return newControlPlane(t, flags...)
}

// newControlPlane is newWorldOfItsOwn for a test that has a world already.
func newControlPlane(t *testing.T, flags ...string) *world {
	t.Helper()
	control, err := cluster.Start(t.Context(), cluster.Options{APIServerFlags: flags})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, control.Stop()) })
	w := newWorldOn(t, control)
	w.kubeconfig, err = kit.Install(t.Context(), control.Access)
	require.NoError(t, err)
	w.namespace = "default"
	return w
}

func TestEverythingConvergesAfterTheAPIServerWasKilled(t *testing.T) {
	w := newWorldOfItsOwn(t)
	w.iamRole("", "app")
	w.aws.SetSession(9 * time.Second)
	c := w.start()
	const n = 10
	before := map[string]*corev1.Secret{}
	for i := range n {
		w.account(fmt.Sprintf("app-%d", i), "app")
		w.role(fmt.Sprintf("role-%d", i), "", "roleReference: app")
	}
	for i := range n {
		for _, name := range []string{fmt.Sprintf("app-%d.aws-iam", i), fmt.Sprintf("role-%d", i)} {
			before[name] = w.secret(name, nil)
		}
	}
	for range 2 {
		time.Sleep(5 * time.Second) // renewals are due about now
		w.APIServer.Kill()
		time.Sleep(4 * time.Second)
		_, err := c.Get(t.Context(), "/healthz")
		require.NoError(t, err, "an API server that is away is no reason to restart")
		require.NoError(t, w.APIServer.Start(t.Context()))
	}
	// After outages that follow each other client-go's watches pause for up to a minute before they begin again.
	w.within = 2 * time.Minute
	w.account("late", "app")
	w.secret("late.aws-iam", nil)
	for name, secret := range before {
		next := w.secret(name, secret)
		assert.Equal(t, secret.UID, next.UID)
		assert.Equal(t, secret.Data["authorization-token"], next.Data["authorization-token"])
		w.eventually(func(ctx context.Context) error {
			secret, err := w.Client().CoreV1().Secrets(w.namespace).Get(ctx, name, metav1.GetOptions{})
			if err == nil && time.Now().After(read(t, secret).expires(t)) {
				err = fmt.Errorf("%s holds what ran out", name)
			}
			return err
		})
	}
}

func TestNothingIsListedInAQuietMinute(t *testing.T) {
	kit.FullOnly(t, "a quiet minute")
	w := newWorldOfItsOwn(t)
	w.iamRole("", "app")
	c := w.start()
	for i := range 20 {
		w.account(fmt.Sprintf("app-%d", i), "app")
		w.role(fmt.Sprintf("role-%d", i), "", "roleReference: app")
	}
	for i := range 20 {
		w.secret(fmt.Sprintf("app-%d.aws-iam", i), nil)
		w.secret(fmt.Sprintf("role-%d", i), nil)
	}
	time.Sleep(40 * time.Second) // the last look at what was just written has been taken
	before, err := w.RequestCounts(t.Context())
	require.NoError(t, err)
	asked, err := c.Metric(t.Context(), "rest_client_requests_total{")
	require.NoError(t, err)
	calls := len(w.aws.Calls())
	time.Sleep(time.Minute)
	after, err := w.RequestCounts(t.Context())
	require.NoError(t, err)
	for _, resource := range []string{"secrets", "serviceaccounts", "awsiamroles"} {
		for request, n := range after {
			if request.Resource == resource && request.Verb == "LIST" {
				assert.InDelta(t, before[request], n, 0.5, "%+v", request)
			}
		}
	}
	asks, err := c.Metric(t.Context(), "rest_client_requests_total{")
	require.NoError(t, err)
	assert.LessOrEqual(t, asks-asked, 2.0, "a watch may have ended and begun again")
	assert.Len(t, w.aws.Calls(), calls)
}

func TestThrottlingAndOutagesOfSTSAreOutlived(t *testing.T) {
	w := newWorld(t)
	w.iamRole("", "app")
	w.aws.SetFaults(awssim.Fault{Action: "AssumeRole", Code: "Throttling", Probability: 0.5})
	w.start()
	const n = 20
	for i := range n {
		w.account(fmt.Sprintf("app-%d", i), "app")
	}
	for i := range n {
		w.secret(fmt.Sprintf("app-%d.aws-iam", i), nil)
	}
	w.aws.SetFaults(awssim.Fault{Action: "AssumeRole", Drop: true, Times: 3})
	w.account("dropped", "app")
	w.secret("dropped.aws-iam", nil)
}

func TestAnAPIServerThatHangsDoesNotHoldUpTheEnd(t *testing.T) {
	w := newWorldOfItsOwn(t)
	c := w.start("--leader-elect", "--leader-elect-namespace=kube-system")
	w.eventually(func(ctx context.Context) error { return c.Leads(ctx, 1) })
	require.NoError(t, w.APIServer.Signal(syscall.SIGSTOP))
	defer func() { assert.NoError(t, w.APIServer.Signal(syscall.SIGCONT)) }()
	ctx, cancel := context.WithTimeout(t.Context(), ending)
	defer cancel()
	code, err := c.Stop(ctx)
	require.NoError(t, err)
	assert.Zero(t, code)
}

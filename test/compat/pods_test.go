package compat

import (
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"kube-aws-iam-controller/internal/admission/admissiontest"

	"kube-aws-iam-controller/test/kit"
)

// podsByPolicy compares the golden pods with each of the settings that they need.
func (r *run) podsByPolicy(t *testing.T) {
	t.Helper()
	r.comparePods(t, r.withPolicy)
}

// podsByWebhook is the same with the webhook.
func (r *run) podsByWebhook(t *testing.T) {
	t.Helper()
	r.comparePods(t, r.withWebhook)
}

// comparePods brings settings into force by with.
func (r *run) comparePods(t *testing.T, with func(*testing.T, admissiontest.Settings)) {
	t.Helper()
	for _, settings := range r.pods.Settings() {
		t.Run(fmt.Sprint(settings.Variables()), func(t *testing.T) {
			with(t, settings)
			r.pods.Compare(t, settings)
		})
	}
}

// withPolicy waits for the policy with settings of pods.
func (r *run) withPolicy(t *testing.T, settings admissiontest.Settings) {
	t.Helper()
	if settings != (admissiontest.Settings{}) {
		r.upgrade(t, "none", admissiontest.Settings{})
		r.pods.Await(t, false)
		r.upgrade(t, "auto", settings)
	}
	r.pods.Await(t, true)
}

// withWebhook runs a controller with settings of pods until the test ends.
func (r *run) withWebhook(t *testing.T, settings admissiontest.Settings) {
	t.Helper()
	var env []string
	for name, value := range settings.Variables() {
		env = append(env, "KUBE_AWS_IAM_"+name+"="+value)
	}
	c := r.controller(t, "webhook", r.webhook, env...)
	t.Cleanup(c.Kill)
	r.pods.Await(t, true)
}

// controller runs one as a pod of the Deployment would be, and waits until it is ready. It serves the webhook, if the release
// has one, at an address.
func (r *run) controller(t *testing.T, name, address string, env ...string) *kit.Controller {
	t.Helper()
	_, text, err := net.SplitHostPort(address)
	require.NoError(t, err)
	port, err := strconv.Atoi(text)
	require.NoError(t, err)
	options, err := r.helm.Controller(t.Context(), r.Access, port)
	require.NoError(t, err)
	options.Log = filepath.Join(r.logs, name+".log")
	options.Env = append(append(options.Env, r.aws.ControllerEnv()...), env...)
	c, err := kit.StartController(t.Context(), options)
	require.NoError(t, err)
	require.NoError(t, c.WaitReady(t.Context(), kit.Within))
	return c
}

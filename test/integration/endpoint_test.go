package integration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"kube-aws-iam-controller/internal/admission"
	"kube-aws-iam-controller/internal/credserver"
	"kube-aws-iam-controller/internal/identity"

	"kube-aws-iam-controller/test/kit"
)

// podUID is that of the pod.
const podUID = "5b1c7f0e-94a5-4c6d-8f27-2a6f4b9d1e30"

// An endpoint is the sidecar in a pod that goes on, and what its application was given at the start.
type endpoint struct {
	*world

	volume  *kit.Volume
	sidecar http.Handler
	token   string
}

// newEndpoint starts the sidecar of a pod of the ServiceAccount app.
func (w *world) newEndpoint() *endpoint {
	w.t.Helper()
	e := &endpoint{world: w, volume: &kit.Volume{Client: w.Client(), Namespace: w.namespace, Name: "app.aws-iam", Dir: w.t.TempDir()}}
	w.eventually(e.volume.Sync)
	e.restart()
	pod, err := admission.Read([]byte(`{"spec":{"containers":[{"name":"app"}]}}`))
	require.NoError(w.t, err)
	patch, err := admission.Inject(pod, identity.Injection{Account: "app", SecretName: "app.aws-iam", Delivery: identity.DeliverEndpoint},
		admission.Settings{Sidecar: admission.Sidecar{Image: "x"}})
	require.NoError(w.t, err)
	for _, operation := range patch {
		if v, is := operation.Value.(corev1.EnvVar); is && v.Name == "AWS_CONTAINER_AUTHORIZATION_TOKEN" {
			require.Equal(w.t, "metadata.uid", v.ValueFrom.FieldRef.FieldPath)
			e.token = podUID
		}
	}
	require.NotEmpty(w.t, e.token)
	return e
}

// restart is what the kubelet does with a sidecar that has ended.
func (e *endpoint) restart() { e.sidecar = credserver.NewStore(e.volume.Dir, podUID).Handler() }

// ask returns the key that the application is given.
func (e *endpoint) ask() (string, error) {
	r := httptest.NewRequest(http.MethodGet, "http://127.0.0.1:9911"+credserver.CredentialsPath, http.NoBody)
	r.Header.Set("Authorization", e.token)
	w := httptest.NewRecorder()
	e.sidecar.ServeHTTP(w, r)
	var answer struct {
		AccessKeyID string `json:"AccessKeyId"`
		Message     string `json:"Message"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		return "", err
	}
	if w.Code != http.StatusOK {
		return "", fmt.Errorf("%d: %s", w.Code, answer.Message)
	}
	return answer.AccessKeyID, nil
}

func TestARunningPodKeepsItsEndpointWhateverBecomesOfItsSecret(t *testing.T) {
	w := newWorld(t)
	w.iamRole("", "app")
	w.start()
	w.account("app", "app", "delivery", "endpoint")
	w.secret("app.aws-iam", nil)
	e := w.newEndpoint()
	last, err := e.ask()
	require.NoError(t, err)

	for _, harm := range []struct {
		title string
		do    func()
	}{
		{"the Secret is deleted", func() { w.kubectl("delete", "secret", "app.aws-iam") }},
		{"the Secret is made immutable", func() { w.kubectl("patch", "secret", "app.aws-iam", "-p", `{"immutable":true}`) }},
		{"the token is taken out of the Secret", func() { w.kubectl("patch", "secret", "app.aws-iam", "-p", `{"data":{"authorization-token":null}}`) }},
		{"the annotation goes and comes back", func() {
			w.kubectl("annotate", "sa", "app", "iam.amazonaws.com/role-")
			w.gone("app.aws-iam")
			w.kubectl("annotate", "sa", "app", "iam.amazonaws.com/role=app")
		}},
		{"the ServiceAccount is replaced", func() {
			w.kubectl("delete", "sa", "app")
			w.account("app", "app", "delivery", "endpoint")
		}},
		{"the permission is withdrawn and given back", func() {
			w.kubectl("annotate", "namespace", w.namespace, `iam.amazonaws.com/allowed-roles=[]`)
			w.gone("app.aws-iam")
			w.kubectl("annotate", "namespace", w.namespace, "iam.amazonaws.com/allowed-roles-")
		}},
	} {
		harm.do()
		next := ""
		w.eventually(func(ctx context.Context) error {
			if err = e.volume.Sync(ctx); err != nil {
				return err
			}
			next, err = e.ask()
			require.NoError(t, err, "%s: it is never refused", harm.title)
			if next == last {
				return errors.New("there are no new credentials yet")
			}
			return nil
		})
		e.restart()
		again, err := e.ask()
		require.NoError(t, err, harm.title)
		assert.Equal(t, next, again, "%s: and the sidecar restarts", harm.title)
		last = next
	}
}

// kubectl runs kubectl in the namespace.
func (w *world) kubectl(args ...string) {
	w.t.Helper()
	_, err := w.Kubectl(w.t.Context(), append([]string{"-n", w.namespace}, args...)...)
	require.NoError(w.t, err)
}

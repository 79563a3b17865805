package monitoring

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/cert"
	"sigs.k8s.io/yaml"

	"kube-aws-iam-controller/test/cluster"
	"kube-aws-iam-controller/test/kit"
)

var shared cluster.Shared

func TestMain(m *testing.M) { os.Exit(shared.Run(m)) }

// served is how many ServiceAccounts have an existing role; one more has a managed role.
const served = 6

// world is a controller with everything that has metrics, and the Prometheus that scrapes it.
type world struct {
	*cluster.Cluster

	t           *testing.T
	aws         *kit.AWS
	namespace   string
	dir         string
	webhook     string
	controller  *kit.Controller
	prometheus  *prometheus
	credentials string // the --credentials-file
}

// newWorld starts a controller, and a Prometheus with rules. Sessions are that long, 0 for what is asked for.
func newWorld(t *testing.T, session time.Duration, rules ruleFile) *world {
	t.Helper()
	program(t, "prometheus")
	w := &world{Cluster: shared.Get(t), t: t, dir: t.TempDir()}
	w.namespace = w.NewNamespace(t)
	w.credentials = filepath.Join(w.dir, "credentials.json")
	var err error
	w.aws, err = kit.StartAWS(t.Context(), "/infra/")
	require.NoError(t, err)
	t.Cleanup(w.aws.Close)
	w.aws.SetSession(session)
	w.rotate(24 * time.Hour)
	w.start()
	text, err := yaml.Marshal(rules)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(w.dir, "rules.yaml"), text, 0o600))
	// What the relabeling of docs/operations.md gives, for a target that is not in a pod.
	w.prometheus = startPrometheus(t, w.dir, fmt.Sprintf(`
global: {scrape_interval: 500ms, evaluation_interval: 500ms}
rule_files: [rules.yaml]
scrape_configs:
  - job_name: kube-aws-iam-controller
    honor_labels: true
    static_configs:
      - {targets: [%q], labels: {namespace: kube-system, pod: kube-aws-iam-controller-0}}
`, strings.TrimPrefix(w.controller.URL(), "http://")))
	return w
}

// rotate writes the controller's own credentials, which expire after a time as far as the file says.
func (w *world) rotate(lifetime time.Duration) {
	w.t.Helper()
	creds := w.aws.Credentials()
	text, err := json.Marshal(map[string]any{
		"Version": 1, "AccessKeyId": creds.AccessKeyID, "SecretAccessKey": creds.SecretAccessKey, "SessionToken": creds.SessionToken,
		"Expiration": time.Now().Add(lifetime).UTC().Format(time.RFC3339),
	})
	require.NoError(w.t, err)
	require.NoError(w.t, os.WriteFile(w.credentials+".new", text, 0o600))
	require.NoError(w.t, os.Rename(w.credentials+".new", w.credentials))
}

// start runs a leader with a webhook.
func (w *world) start() {
	w.t.Helper()
	kubeconfig, err := kit.Install(w.t.Context(), w.Access)
	require.NoError(w.t, err)
	binary, err := kit.Binary()
	require.NoError(w.t, err)
	w.certify()
	w.controller, err = kit.StartController(w.t.Context(), kit.Options{
		Binary: binary, Kubeconfig: kubeconfig, Log: filepath.Join(w.dir, "controller.log"),
		Env: append(w.aws.EndpointEnv(), "KUBE_AWS_IAM_CLUSTER_NAME=test"),
		Args: []string{
			"--namespace=" + w.namespace, "--leader-elect", "--leader-elect-namespace=" + kit.Namespace, "--insecure-identity-metrics",
			"--credentials-file=" + w.credentials, "--permissions-boundary=" + w.aws.Boundary, "--drift-interval=4s",
			"--webhook-listen-address=" + w.webhook, "--webhook-cert-file=" + w.dir + "/tls.crt", "--webhook-key-file=" + w.dir + "/tls.key",
		},
	})
	require.NoError(w.t, err)
	w.t.Cleanup(w.end)
	w.lead()
}

// end stops the controller, which releases the Lease unless the test has killed it.
func (w *world) end() {
	ctx, cancel := context.WithTimeout(context.Background(), kit.Within)
	defer cancel()
	_, _ = w.controller.Stop(ctx)
	if log, err := w.controller.Output(); w.t.Failed() && err == nil {
		w.t.Logf("the end of the controller's log:\n%s", log[max(0, len(log)-10000):])
	}
}

// certify writes a certificate for the webhook, and chooses its address.
func (w *world) certify() {
	w.t.Helper()
	port, err := cluster.FreePort(w.t.Context())
	require.NoError(w.t, err)
	w.webhook = "127.0.0.1:" + strconv.Itoa(port)
	certificate, key, err := cert.GenerateSelfSignedCertKey("localhost", nil, nil)
	require.NoError(w.t, err)
	for name, content := range map[string][]byte{"tls.crt": certificate, "tls.key": key} {
		require.NoError(w.t, os.WriteFile(filepath.Join(w.dir, name), content, 0o600))
	}
}

// lead waits until the controller leads: another test's may hold the Lease.
func (w *world) lead() {
	w.t.Helper()
	require.NoError(w.t, w.controller.WaitReady(w.t.Context(), kit.Within))
	require.NoError(w.t, kit.Eventually(w.t.Context(), kit.Within, func(ctx context.Context) error {
		leads, err := w.controller.Metric(ctx, "kube_aws_iam_controller_is_leader")
		if err == nil && leads == 0 {
			err = errors.New("it does not lead yet")
		}
		return err
	}))
}

func (w *world) objects() kit.Objects { return kit.In(w.Access, w.namespace) }

// serve creates ServiceAccounts that are served, and waits for that.
func (w *world) serve() {
	w.t.Helper()
	for i := range served {
		name := fmt.Sprintf("app-%d", i)
		_, err := w.aws.Role(kit.AccountID, "", name, w.namespace+"/test")
		require.NoError(w.t, err)
		_, err = w.objects().Account(w.t.Context(), name, map[string]string{"role": name})
		require.NoError(w.t, err)
	}
	_, err := w.objects().Account(w.t.Context(), "managed", map[string]string{
		"role-policy": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/*"}]}`,
	})
	require.NoError(w.t, err)
	for _, name := range []string{"app-0", "app-5", "managed"} {
		_, err = w.objects().Secret(w.t.Context(), name+".aws-iam", nil)
		require.NoError(w.t, err)
	}
}

// stranger asks for a role that trusts another namespace.
func (w *world) stranger() {
	w.t.Helper()
	_, err := w.aws.Role(kit.AccountID, "", "strange", "another/test")
	require.NoError(w.t, err)
	_, err = w.objects().Account(w.t.Context(), "stranger", map[string]string{"role": "strange"})
	require.NoError(w.t, err)
}

// tamper changes the managed role.
func (w *world) tamper() {
	w.t.Helper()
	admin, err := w.aws.Admin()
	require.NoError(w.t, err)
	secret, err := w.objects().Secret(w.t.Context(), "managed.aws-iam", nil)
	require.NoError(w.t, err)
	arn := string(secret.Data["role-arn"])
	role := arn[strings.LastIndexByte(arn, '/')+1:]
	_, err = admin.PutRolePolicy(w.t.Context(), &iam.PutRolePolicyInput{
		RoleName: &role, PolicyName: new("more"),
		PolicyDocument: new(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sqs:SendMessage","Resource":"*"}]}`),
	})
	require.NoError(w.t, err)
}

// busy has the webhook asked about a pod and, with renewals, a Secret deleted, again and again until the test ends.
func (w *world) busy(renewals bool) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	w.t.Cleanup(func() { cancel(); <-done })
	go func() {
		defer close(done)
		ticker := time.NewTicker(700 * time.Millisecond)
		defer ticker.Stop()
		for ctx.Err() == nil {
			w.ask(ctx)
			if renewals {
				_ = w.Client().CoreV1().Secrets(w.namespace).Delete(ctx, "app-0.aws-iam", metav1.DeleteOptions{})
			}
			select {
			case <-ticker.C:
			case <-ctx.Done():
			}
		}
	}()
}

// ask has the webhook review a pod. The test sees in the metrics whether that worked.
func (w *world) ask(ctx context.Context) {
	review := fmt.Sprintf(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"1","operation":"CREATE","namespace":%q,
"resource":{"group":"","version":"v1","resource":"pods"},"object":{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},
"spec":{"serviceAccountName":"app-0","containers":[{"name":"a","image":"a"}]}}}}`, w.namespace)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+w.webhook+"/mutate-pods", strings.NewReader(review))
	if err != nil {
		return
	}
	req.Header.Set("Content-Type", "application/json")
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}
	if resp, err := transport.RoundTrip(req); err == nil {
		_ = resp.Body.Close()
	}
}

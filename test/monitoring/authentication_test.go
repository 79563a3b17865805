package monitoring

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	authenticationv1 "k8s.io/api/authentication/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/test/cluster"
	"kube-aws-iam-controller/test/kit"
)

// scraper returns the file with the token of a ServiceAccount that may read metrics, as docs/security.md has it.
func scraper(t *testing.T, access *cluster.Access, namespace, dir string) string {
	t.Helper()
	root, err := cluster.Root()
	require.NoError(t, err)
	rights := filepath.Join(root, "manifests", "components", "metrics-authentication", "rbac.yaml")
	_, err = access.Kubectl(t.Context(), "apply", "-f", rights)
	require.NoError(t, err)
	t.Cleanup(func() { _, _ = access.Kubectl(context.Background(), "delete", "-f", rights) })
	bindings := access.Client().RbacV1().ClusterRoleBindings()
	_, err = bindings.Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: namespace},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "kube-aws-iam-controller-metrics-reader"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: "prometheus", Namespace: namespace}},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = bindings.Delete(context.Background(), namespace, metav1.DeleteOptions{}) })
	_, err = kit.In(access, namespace).Account(t.Context(), "prometheus", nil)
	require.NoError(t, err)
	made, err := access.Client().CoreV1().ServiceAccounts(namespace).CreateToken(t.Context(), "prometheus", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	require.NoError(t, err)
	file := filepath.Join(dir, "token")
	require.NoError(t, os.WriteFile(file, []byte(made.Status.Token), 0o600))
	return file
}

// documentedAuthentication is what docs/security.md has for a scrape job, with a token in that file.
func documentedAuthentication(t *testing.T, token string) string {
	t.Helper()
	_, block, found := strings.Cut(read(t, "docs/security.md"), "```yaml\n# Prometheus\n")
	require.True(t, found)
	block, _, found = strings.Cut(block, "```\n")
	require.True(t, found)
	block = strings.Replace(block, "/var/run/secrets/kubernetes.io/serviceaccount/token", token, 1)
	require.Contains(t, block, token)
	return regexp.MustCompile(`(?m)^`).ReplaceAllString(strings.TrimSpace(block), "    ")
}

// secured runs a controller whose metrics are for those who may read them, and returns their address.
func secured(t *testing.T, access *cluster.Access, namespace, dir string) string {
	t.Helper()
	kubeconfig, err := kit.Install(t.Context(), access)
	require.NoError(t, err)
	simulated, err := kit.StartAWS(t.Context(), "/infra/")
	require.NoError(t, err)
	t.Cleanup(simulated.Close)
	binary, err := kit.Binary()
	require.NoError(t, err)
	port, err := cluster.FreePort(t.Context())
	require.NoError(t, err)
	address := "127.0.0.1:" + strconv.Itoa(port)
	c, err := kit.StartController(t.Context(), kit.Options{
		Binary: binary, Kubeconfig: kubeconfig, Log: filepath.Join(dir, "controller.log"), Env: simulated.ControllerEnv(),
		Args: []string{"--namespace=" + namespace, "--metrics-secure-listen-address=" + address},
	})
	require.NoError(t, err)
	t.Cleanup(c.Kill)
	return address
}

func TestPrometheusScrapesAuthenticatedMetrics(t *testing.T) {
	program(t, "prometheus")
	control, dir := shared.Get(t), t.TempDir()
	namespace := control.NewNamespace(t)
	token := scraper(t, control.Access, namespace, dir)
	address := secured(t, control.Access, namespace, dir)
	p := startPrometheus(t, dir, fmt.Sprintf("global: {scrape_interval: 500ms}\nscrape_configs:\n  - job_name: kube-aws-iam-controller\n"+
		"    static_configs: [{targets: [%q]}]\n%s\n", address, documentedAuthentication(t, token)))
	require.NoError(t, kit.Eventually(t.Context(), kit.Within, func(ctx context.Context) error {
		samples, err := p.query(ctx, `kube_aws_iam_controller_is_leader == 1`)
		if err == nil && len(samples) != 1 {
			err = errors.New("it is not scraped yet")
		}
		return err
	}))
}

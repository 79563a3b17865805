package integration

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/test/cluster"
)

// guarded is a controller whose metrics are for those who may have them.
type guarded struct {
	*world

	port    int
	scraper string // has a right to them
	other   string // has none
}

func newGuarded(t *testing.T) *guarded {
	t.Helper()
	w := newWorld(t)
	root, err := cluster.Root()
	require.NoError(t, err)
	path := filepath.Join(root, "manifests", "components", "metrics-authentication", "rbac.yaml")
	_, err = w.Kubectl(t.Context(), "apply", "-f", path)
	require.NoError(t, err)
	t.Cleanup(func() { _, _ = w.Kubectl(context.Background(), "delete", "-f", path) })
	g := &guarded{world: w}
	g.scraper, g.other = g.token("scraper"), g.token("other")
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: w.namespace},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "kube-aws-iam-controller-metrics-reader"},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Name: "scraper", Namespace: w.namespace}},
	}
	_, err = w.Client().RbacV1().ClusterRoleBindings().Create(t.Context(), binding, metav1.CreateOptions{})
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = w.Client().RbacV1().ClusterRoleBindings().Delete(context.Background(), binding.Name, metav1.DeleteOptions{})
	})
	g.port, err = cluster.FreePort(t.Context())
	require.NoError(t, err)
	return g
}

// token is that of a new ServiceAccount.
func (g *guarded) token(name string) string {
	g.t.Helper()
	accounts := g.Client().CoreV1().ServiceAccounts(g.namespace)
	_, err := accounts.Create(g.t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	require.NoError(g.t, err)
	made, err := accounts.CreateToken(g.t.Context(), name, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	require.NoError(g.t, err)
	return made.Status.Token
}

// scrape asks with an authorization from an address, and returns the status and what is said.
func (g *guarded) scrape(ctx context.Context, from, authorization string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://127.0.0.1:"+strconv.Itoa(g.port)+"/metrics", http.NoBody)
	if err != nil {
		return 0, "", err
	}
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	resp, err := (&http.Transport{
		DisableKeepAlives: true, DialContext: dialer.DialContext,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}).RoundTrip(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), err
}

func TestMetricsAreForThoseWhoMayHaveThem(t *testing.T) {
	g := newGuarded(t)
	g.iamRole("", "app")
	g.account("app", "app")
	c := g.launch("--namespace="+g.namespace, "--metrics-secure-listen-address=127.0.0.1:"+strconv.Itoa(g.port))
	defer c.Kill()
	require.NoError(t, c.WaitReady(t.Context(), within), "probes need no token")
	g.eventually(func(ctx context.Context) error {
		code, body, err := g.scrape(ctx, "127.0.0.1", "Bearer "+g.scraper)
		if err == nil && (code != http.StatusOK || !strings.Contains(body, "kube_aws_iam_controller_build_info")) {
			err = fmt.Errorf("%d: %s", code, body) // the API server takes a moment for each right
		}
		return err
	})
	g.secret("app.aws-iam", nil)
	g.eventually(func(ctx context.Context) error {
		_, body, err := g.scrape(ctx, "127.0.0.1", "Bearer "+g.scraper)
		if err == nil && !strings.Contains(body, `credentials_expiration_timestamp_seconds{name="app",namespace="`+g.namespace+`"`) {
			err = errors.New("the metrics do not name the identity")
		}
		return err
	})
	for name, tc := range map[string]struct {
		authorization string
		code          int
	}{
		"nobody":            {"", http.StatusUnauthorized},
		"no bearer":         {"Basic " + g.scraper, http.StatusUnauthorized},
		"a made-up token":   {"Bearer made-up", http.StatusUnauthorized},
		"too long a token":  {"Bearer " + strings.Repeat("x", 9<<10), http.StatusUnauthorized},
		"who has no right":  {"Bearer " + g.other, http.StatusForbidden},
		"who has the right": {"Bearer " + g.scraper, http.StatusOK},
	} {
		code, body, err := g.scrape(t.Context(), "127.0.0.1", tc.authorization)
		require.NoError(t, err, name)
		assert.Equal(t, tc.code, code, name)
		if code != http.StatusOK {
			assert.Equal(t, http.StatusText(code)+"\n", body, name)
		}
	}
	_, err := c.Get(t.Context(), "/metrics")
	require.ErrorContains(t, err, "404", "not beside the probes")
	g.floodWithTokens()
	log, err := os.ReadFile(g.log)
	require.NoError(t, err)
	for _, token := range []string{g.scraper, g.other, "made-up"} {
		assert.NotContains(t, string(log), token)
	}
}

// floodWithTokens has strangers make tokens up, and shows that who scrapes and who probes do not notice, and that the API
// server is asked seldom.
func (g *guarded) floodWithTokens() {
	g.t.Helper()
	asked := func() float64 {
		_, body, err := g.scrape(g.t.Context(), "127.0.0.1", "Bearer "+g.scraper)
		require.NoError(g.t, err)
		var sum float64
		for line := range strings.Lines(body) {
			if rest, found := strings.CutPrefix(line, `rest_client_requests_total{code="201"`); found {
				var value float64
				_, err = fmt.Sscan(rest[strings.LastIndexByte(rest, ' ')+1:], &value)
				require.NoError(g.t, err)
				sum += value
			}
		}
		return sum
	}
	before := asked()
	var all sync.WaitGroup
	for i := range 300 {
		all.Go(func() {
			code, _, err := g.scrape(g.t.Context(), fmt.Sprintf("127.0.0.%d", 2+i%3), fmt.Sprintf("Bearer made-up-%d", i))
			if err == nil { // there are more of them than connections
				assert.Contains(g.t, []int{http.StatusUnauthorized, http.StatusTooManyRequests}, code)
			}
		})
	}
	code, _, err := g.scrape(g.t.Context(), "127.0.0.1", "Bearer "+g.scraper)
	require.NoError(g.t, err)
	assert.Equal(g.t, http.StatusOK, code, "amid the flood")
	code, _, err = g.scrape(g.t.Context(), "127.0.0.1", "Bearer "+g.token("late"))
	require.NoError(g.t, err)
	assert.Equal(g.t, http.StatusForbidden, code, "amid the flood, for who is not known yet")
	all.Wait()
	g.t.Logf("the API server was asked %v times for 301 tokens", asked()-before)
	assert.Less(g.t, asked()-before, 200.0)
}

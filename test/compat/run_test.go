package compat

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"

	"kube-aws-iam-controller/test/chart"
	"kube-aws-iam-controller/test/cluster"
	"kube-aws-iam-controller/test/golden"
	"kube-aws-iam-controller/test/kit"
)

// The ways of admission, as values of the chart and in the table.
const (
	policy  = "policy"
	webhook = "webhook"
)

// tick is how often a run shows that it is alive.
const tick = 20 * time.Second

// A run is a control plane of one release, with the chart installed on it.
type run struct {
	*cluster.Cluster

	t       *testing.T
	row     Row
	helm    chart.Helm
	pods    *golden.Pods
	aws     *kit.AWS
	logs    string
	warned  *warnings
	webhook string // the address at which the API server asks it
	// replicas are the controllers that run, once they do.
	replicas []*kit.Controller
	// servesPolicies says whether the API server has MutatingAdmissionPolicy v1.
	servesPolicies bool

	mu   sync.Mutex
	step string
}

// start builds the release's control plane, and runs it and simulated AWS.
func start(t *testing.T, release string) *run {
	t.Helper()
	r := &run{t: t, row: Row{Release: release, Date: today()}, logs: t.TempDir(), warned: &warnings{}}
	r.tell()
	r.say("control plane")
	var err error
	r.Cluster, err = cluster.Start(t.Context(), cluster.Options{Progress: os.Stderr})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, r.Stop()) })
	version, err := r.Client().Discovery().ServerVersion()
	require.NoError(t, err)
	require.Equal(t, "v"+release, version.GitVersion)
	r.servesPolicies = r.serves("admissionregistration.k8s.io/v1", "mutatingadmissionpolicies")

	r.aws, err = kit.StartAWS(t.Context(), "/")
	require.NoError(t, err)
	t.Cleanup(r.aws.Close)
	t.Cleanup(r.showLogs)
	port, err := cluster.FreePort(t.Context())
	require.NoError(t, err)
	r.webhook = fmt.Sprintf("localhost:%d", port)
	r.helm = chart.Helm{Kubeconfig: r.AdminKubeconfig(), Namespace: kit.Namespace, Warnings: r.warned}
	r.say("golden pods, as they are without admission")
	r.pods, err = golden.Load(r.Access)
	require.NoError(t, err)
	require.NoError(t, r.pods.Prepare(t.Context()))
	r.row.Dropped = "none"
	if dropped := r.pods.Dropped(); len(dropped) > 0 {
		r.row.Dropped = "`" + strings.Join(dropped, "`, `") + "`"
	}
	return r
}

// serves says whether the API server has a resource.
func (r *run) serves(version, resource string) bool {
	r.t.Helper()
	list, err := r.Client().Discovery().ServerResourcesForGroupVersion(version)
	if !discovery.IsGroupDiscoveryFailedError(err) {
		require.NoError(r.t, err)
	}
	for i := range list.APIResources {
		if list.APIResources[i].Name == resource {
			return true
		}
	}
	return false
}

// installed is the way of admission that there is.
func (r *run) installed() string {
	r.t.Helper()
	list, err := r.Client().AdmissionregistrationV1().MutatingWebhookConfigurations().List(r.t.Context(), metav1.ListOptions{})
	require.NoError(r.t, err)
	if len(list.Items) > 0 {
		return webhook
	}
	found, err := r.Client().AdmissionregistrationV1().MutatingAdmissionPolicies().List(r.t.Context(), metav1.ListOptions{})
	require.NoError(r.t, err)
	require.NotEmpty(r.t, found.Items)
	return policy
}

// say names what is being done.
func (r *run) say(step string) {
	r.mu.Lock()
	r.step = step
	r.mu.Unlock()
	_, _ = fmt.Fprintf(os.Stderr, "compat: Kubernetes %s: %s\n", r.row.Release, step)
}

// tell repeats it until the release is done.
func (r *run) tell() {
	begin, ticker, done := time.Now(), time.NewTicker(tick), r.t.Context().Done()
	go func() {
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				r.mu.Lock()
				_, _ = fmt.Fprintf(os.Stderr, "compat: Kubernetes %s: %s, %s since the start\n", r.row.Release, r.step, time.Since(begin).Round(time.Second))
				r.mu.Unlock()
			}
		}
	}()
}

// showLogs shows the ends of the controllers' logs after a failure.
func (r *run) showLogs() {
	if !r.t.Failed() {
		return
	}
	paths, _ := filepath.Glob(filepath.Join(r.logs, "*.log"))
	for _, path := range paths {
		log, _ := os.ReadFile(path)
		r.t.Logf("the end of %s:\n%s", filepath.Base(path), log[max(0, len(log)-5000):])
	}
}

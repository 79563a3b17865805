package e2e

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"kube-aws-iam-controller/internal/admission"
)

var starts = flag.Int("starts", 5, "how many pods with the delivery endpoint are started")

// TestNoFirstCallFailsWithTheEndpoint starts pods whose program calls AWS at once. Nothing holds it back until the endpoint
// listens, but for what the kubelet does between the start of one container and that of the next.
func TestNoFirstCallFailsWithTheEndpoint(t *testing.T) {
	w := install(t, "admission-policy", "admission-settings")
	w.awaitAdmission()
	w.account("endpoint", "delivery", "endpoint")
	w.role("endpoint")
	var leads, waits []time.Duration
	for i := range *starts {
		name := fmt.Sprintf("endpoint-%d", i)
		require.NoError(t, w.pod(name, "endpoint", scratchImage))
		w.sessions(name, 1)
		listens, begins := w.printed(name, admission.SidecarName, "serving"), w.printed(name, "app", "begins")
		leads = append(leads, begins.Sub(listens).Round(time.Millisecond))
		waits = append(waits, w.printed(name, "app", sessionLine).Sub(begins).Round(time.Millisecond))
	}
	slices.Sort(leads)
	slices.Sort(waits)
	t.Logf("the endpoint listened before the program began, by %v; the first call took %v", leads, waits)
}

// printed is when a container of a pod printed the first line with some text.
func (w *world) printed(pod, container, text string) time.Time {
	w.t.Helper()
	log, err := w.Kubectl(w.t.Context(), "logs", "-n", w.namespace, pod, "-c", container, "--timestamps")
	require.NoError(w.t, err)
	for line := range strings.Lines(log) {
		stamp, rest, _ := strings.Cut(line, " ")
		if strings.Contains(rest, text) {
			at, err := time.Parse(time.RFC3339Nano, stamp)
			require.NoError(w.t, err)
			return at
		}
	}
	require.Fail(w.t, "not printed", "%q is not in the log of %s: %s", text, container, log)
	return time.Time{}
}

package sdks

import (
	"flag"
	"fmt"
	"net"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"kube-aws-iam-controller/internal/identity"
)

var (
	starts = flag.Int("starts", 5, "how often each SDK is started together with the endpoint")
	late   = flag.Duration("late", 0, "how long after the SDK the endpoint is started")
)

// TestFirstCallSucceedsWhileTheEndpointStarts starts the sidecar and a program together, as no kubelet does: it starts the
// containers of a pod one after the other. So nothing has to hold the program back until the endpoint listens.
func TestFirstCallSucceedsWhileTheEndpointStarts(t *testing.T) {
	w := newWorld(t)
	binary := buildServer(t)
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			command, _ := k.prepared(t)
			if slices.Contains(k.cannot, identity.DeliverEndpoint) {
				t.Skip("does not know the endpoint")
			}
			var failed []string
			var took []time.Duration
			for range *starts {
				answer, duration := w.startTogether(t, &program{kind: k, command: command}, binary)
				if !strings.HasPrefix(answer, whoIs(identity.DeliverEndpoint)) {
					failed = append(failed, answer)
				}
				took = append(took, duration)
			}
			slices.Sort(took)
			t.Logf("%s: endpoint started %v later: %d of %d first calls failed; from start to answer: median %v, most %v",
				k.name, *late, len(failed), *starts, took[len(took)/2].Round(time.Millisecond), took[len(took)-1].Round(time.Millisecond))
			assert.Empty(t, failed)
		})
	}
}

// startTogether starts a program, and then a sidecar of its own, and returns the answer to the program's first call and how
// long both took together.
func (w *world) startTogether(t *testing.T, p *program, server string) (answer string, took time.Duration) {
	t.Helper()
	own := w.containers[identity.DeliverEndpoint]
	address := freeAddress(t)
	for _, v := range own.env {
		p.env = append(p.env, strings.Replace(v, endpointAddress, address, 1))
	}
	sidecar := exec.Command(server, "--listen-address="+address, "--directory="+own.volume.Dir)
	sidecar.Env = []string{"POD_UID=" + podUID}
	begun := time.Now()
	require.NoError(t, p.start(w.aws.URL()))
	defer p.end()
	answered := make(chan string, 1)
	go func() { answered <- p.call(t.Context(), w.aws.URL()) }()
	time.Sleep(*late)
	require.NoError(t, sidecar.Start())
	defer func() { _ = sidecar.Process.Kill(); _ = sidecar.Wait() }()
	answer = <-answered
	return answer, time.Since(begun)
}

// freeAddress is one on which nothing listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	return fmt.Sprint(listener.Addr())
}

package main

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/credserver"
)

// call runs the command and returns its exit code and what it printed.
func call(t *testing.T, args ...string) (code int, output string) {
	t.Helper()
	var out bytes.Buffer
	code = run(t.Context(), args, &out, &out)
	return code, out.String()
}

func TestProbeFailsUntilCredentialsAreServed(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("POD_UID", "the-uid-of-the-pod")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := "--listen-address=" + listener.Addr().String()
	require.NoError(t, listener.Close())

	code, output := call(t, address, "probe")
	assert.Equal(t, exitError, code)
	assert.Contains(t, output, "refused")

	ctx, cancel := context.WithCancel(t.Context())
	var served sync.WaitGroup
	served.Go(func() {
		var out bytes.Buffer
		assert.Equal(t, exitOK, run(ctx, []string{address, "--directory=" + dir}, &out, &out), out.String())
	})
	assert.Eventually(t, func() bool {
		_, output = call(t, address, "probe")
		return strings.Contains(output, "no credentials")
	}, 10*time.Second, 10*time.Millisecond)

	require.NoError(t, os.WriteFile(filepath.Join(dir, "authorization-token"), []byte("token"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "credentials.json"), []byte(
		`{"Version":1,"AccessKeyId":"A","SecretAccessKey":"B","SessionToken":"C","Expiration":"2999-01-01T00:00:00Z"}`), 0o600))
	code, output = call(t, address, "probe")
	assert.Equal(t, exitOK, code, output)

	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+listener.Addr().String()+credserver.CredentialsPath, http.NoBody)
	require.NoError(t, err)
	request.Header.Set("Authorization", "the-uid-of-the-pod")
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	assert.Equal(t, http.StatusOK, response.StatusCode)

	code, output = call(t, address, "--directory="+dir)
	assert.Equal(t, exitError, code)
	assert.Contains(t, output, "in use")
	cancel()
	served.Wait()
}

func TestInvalidCommandAndAddressAreRejected(t *testing.T) {
	code, output := call(t, "serve-all")
	assert.Equal(t, exitUsage, code)
	assert.Contains(t, output, "not a command")
	for _, address := range []string{":9911", "0.0.0.0:9911", "10.0.0.1:9911", "localhost:9911", "127.0.0.1"} {
		code, output = call(t, "--listen-address="+address)
		assert.Equal(t, exitUsage, code, address)
		assert.Contains(t, output, "--listen-address")
	}
}

func TestHelpAndVersion(t *testing.T) {
	code, output := call(t, "version")
	assert.Equal(t, exitOK, code)
	assert.Equal(t, version+"\n", output)
	code, output = call(t, "--help")
	assert.Equal(t, exitOK, code)
	assert.Contains(t, output, "-directory")
	code, output = call(t, "--path=x")
	assert.Equal(t, exitUsage, code)
	assert.Contains(t, output, "-path")
}

// TestLargeLibrariesAreNotLinked keeps the process small, because it runs in every pod.
func TestLargeLibrariesAreNotLinked(t *testing.T) {
	dependencies, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	require.NoError(t, err)
	for _, large := range []string{"k8s.io/", "github.com/aws/", "github.com/prometheus/"} {
		assert.NotContains(t, string(dependencies), large)
	}
}

package check

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/rest"
)

// maxVersion is more than an API server says of its version, in bytes.
const maxVersion = 1 << 16

// readServer reads the version and the time of the API server. An error is one of the
// connection.
func (r *reader) readServer(ctx context.Context) error {
	base, _, err := rest.DefaultServerUrlFor(r.rest)
	if err != nil {
		return fmt.Errorf("read kubeconfig: %w", err)
	}
	client, err := rest.HTTPClientFor(r.rest)
	if err != nil {
		return fmt.Errorf("read kubeconfig: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base.JoinPath("version").String(), http.NoBody)
	if err != nil {
		return err
	}
	asked := time.Now()
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("reach the API server: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode == http.StatusUnauthorized {
		return apierrors.NewUnauthorized("read the version of the API server")
	}
	answered := time.Now()
	r.facts.local = asked.Add(answered.Sub(asked) / 2)
	r.facts.now = serverTime(response.Header.Get("Date"))
	body, err := io.ReadAll(io.LimitReader(response.Body, maxVersion))
	if err != nil {
		return fmt.Errorf("read the version of the API server: %w", err)
	}
	r.facts.serverVersion = parseVersion(response.StatusCode, body)
	return nil
}

func parseVersion(status int, body []byte) answer[string] {
	var info version.Info
	if status != http.StatusOK {
		return answer[string]{err: fmt.Errorf("the API server answered %d %s", status, http.StatusText(status))}
	}
	if err := json.Unmarshal(body, &info); err != nil {
		return answer[string]{err: err}
	}
	return answer[string]{value: info.GitVersion}
}

package monitoring

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/test/cluster"
	"kube-aws-iam-controller/test/kit"
)

// A prometheus is Debian's, as a process of its own.
type prometheus struct {
	*cluster.Process

	url string
}

// startPrometheus starts one with a configuration, in the directory of which rules and data are, and waits until it is ready.
func startPrometheus(t *testing.T, dir, config string) *prometheus {
	t.Helper()
	port, err := cluster.FreePort(t.Context())
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "prometheus.yaml"), []byte(config), 0o600))
	out, err := exec.CommandContext(t.Context(), program(t, "promtool"), "check", "config", filepath.Join(dir, "prometheus.yaml")).CombinedOutput()
	require.NoError(t, err, string(out))
	address := "127.0.0.1:" + strconv.Itoa(port)
	process, err := cluster.StartProcess(cluster.Command{
		Name: "prometheus", Path: program(t, "prometheus"), Dir: dir, Log: filepath.Join(dir, "prometheus.log"),
		Args: []string{"--config.file=prometheus.yaml", "--storage.tsdb.path=data", "--web.listen-address=" + address},
	})
	require.NoError(t, err)
	p := &prometheus{Process: process, url: "http://" + address}
	t.Cleanup(func() {
		p.Kill()
		if log, err := p.Output(); t.Failed() && err == nil {
			t.Logf("the end of Prometheus's log:\n%s", log[max(0, len(log)-5000):])
		}
	})
	require.NoError(t, kit.Eventually(t.Context(), kit.Within, func(ctx context.Context) error { return p.get(ctx, "/-/ready", nil) }))
	return p
}

// get asks for a path and decodes the answer's data, unless into is nil.
func (p *prometheus) get(ctx context.Context, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+path, http.NoBody)
	if err != nil {
		return err
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if into == nil && resp.StatusCode == http.StatusOK {
		return nil
	}
	var answer struct {
		Status   string          `json:"status"`
		Error    string          `json:"error"`
		Warnings []string        `json:"warnings"`
		Data     json.RawMessage `json:"data"`
	}
	if err = json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return fmt.Errorf("%s: %s: %w", path, resp.Status, err)
	}
	if answer.Status != "success" || len(answer.Warnings) > 0 {
		return fmt.Errorf("%s: %s %v", path, answer.Error, answer.Warnings)
	}
	return json.Unmarshal(answer.Data, into)
}

// A sample is one of an instant vector.
type sample struct {
	labels map[string]string
	value  float64
}

// query evaluates an expression now.
func (p *prometheus) query(ctx context.Context, expr string) (samples []sample, err error) {
	var data struct {
		Result []struct {
			Metric map[string]string
			Value  [2]any
		}
	}
	if err = p.get(ctx, "/api/v1/query?query="+url.QueryEscape(expr), &data); err != nil {
		return nil, err
	}
	for _, r := range data.Result {
		text, _ := r.Value[1].(string)
		value, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, err
		}
		if !math.IsNaN(value) { // a panel shows nothing
			samples = append(samples, sample{r.Metric, value})
		}
	}
	return samples, nil
}

// evaluated is what Prometheus says of a rule.
type evaluated struct {
	Name, Health, LastError string
	Alerts                  []struct{ Annotations map[string]string }
}

func (p *prometheus) rules(ctx context.Context) (all []evaluated, err error) {
	var data struct{ Groups []struct{ Rules []evaluated } }
	if err = p.get(ctx, "/api/v1/rules", &data); err != nil {
		return nil, err
	}
	for _, group := range data.Groups {
		all = append(all, group.Rules...)
	}
	return all, nil
}

// firing returns the names of the alerts that fire, or did so within a time, and the namespaces they name.
func (p *prometheus) firing(ctx context.Context, within string) (map[string]string, error) {
	expr := `ALERTS{alertstate="firing"}`
	if within != "" {
		expr = `count_over_time(` + expr + `[` + within + `])`
	}
	samples, err := p.query(ctx, expr)
	names := map[string]string{}
	for _, s := range samples {
		names[s.labels["alertname"]] = s.labels["namespace"]
	}
	return names, err
}

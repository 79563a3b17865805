package kit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"kube-aws-iam-controller/test/cluster"
)

// Namespace and Account are where the controller's own ServiceAccount is.
const (
	Namespace = "kube-system"
	Account   = "kube-aws-iam-controller"
)

// Options say how to run a controller.
type Options struct {
	// Binary is the controller's, see BuildController.
	Binary string
	// Kubeconfig is how it reaches the API server, see Install.
	Kubeconfig string
	// Args are flags. Without them the API server and a free port for metrics are known.
	Args []string
	// Env is the environment; the controller sees nothing of the test's own.
	Env []string
	// Log is the file that its output is appended to.
	Log string
}

// Controller is a controller that runs as a process of its own.
type Controller struct {
	*cluster.Process

	address string
}

// StartController runs a controller, and returns before it is ready.
func StartController(ctx context.Context, options Options) (*Controller, error) {
	port, err := cluster.FreePort(ctx)
	if err != nil {
		return nil, err
	}
	address := "127.0.0.1:" + strconv.Itoa(port)
	process, err := cluster.StartProcess(cluster.Command{
		Name: Account, Path: options.Binary, Args: options.Args, Log: options.Log,
		// Variables leave the flags free, which count for more.
		Env: append([]string{
			"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent",
			"KUBE_AWS_IAM_KUBECONFIG=" + options.Kubeconfig, "KUBE_AWS_IAM_LISTEN_ADDRESS=" + address,
		}, options.Env...),
	})
	if err != nil {
		return nil, err
	}
	return &Controller{Process: process, address: address}, nil
}

// WaitReady returns when the controller says that it is ready.
func (c *Controller) WaitReady(ctx context.Context, within time.Duration) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-c.Done():
			cancel(errors.New("the controller has ended"))
		case <-ctx.Done():
		}
	}()
	err := Eventually(ctx, within, func(ctx context.Context) error {
		if _, err := c.Get(ctx, "/readyz"); err != nil {
			return err
		}
		if !c.Running() {
			return errors.New("something else answers at " + c.address)
		}
		return nil
	})
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	return err
}

// URL returns where the controller serves metrics, health and readiness.
func (c *Controller) URL() string { return "http://" + c.address }

// Get returns what the controller answers at a path. Any status but 200 is an error with the body.
func (c *Controller) Get(ctx context.Context, path string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL()+path, http.NoBody)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", path, resp.Status, body)
	}
	return string(body), err
}

// Metric returns the sum of the controller's series whose lines start with prefix.
func (c *Controller) Metric(ctx context.Context, prefix string) (float64, error) {
	body, err := c.Get(ctx, "/metrics")
	if err != nil {
		return 0, err
	}
	var sum float64
	for line := range strings.Lines(body) {
		if !strings.HasPrefix(line, prefix) {
			continue
		}
		fields := strings.Fields(line)
		value, err := strconv.ParseFloat(fields[len(fields)-1], 64)
		if err != nil {
			return 0, fmt.Errorf("metric %q: %w", line, err)
		}
		sum += value
	}
	return sum, nil
}

// Leads returns an error unless the metric says that the controller leads (1), or does not (0).
func (c *Controller) Leads(ctx context.Context, want float64) error {
	got, err := c.Metric(ctx, "kube_aws_iam_controller_is_leader ")
	if err == nil && got != want {
		err = fmt.Errorf("is_leader is %v, not %v", got, want)
	}
	return err
}

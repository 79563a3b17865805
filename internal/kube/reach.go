package kube

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/go-kit/log/level"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
)

const (
	// reachTimeout is how long the API server may take to answer before it is
	// said that it does not.
	reachTimeout = 3 * time.Second
	reachRetry   = 2 * time.Second
	// reachRepeat is how often that is said again.
	reachRepeat = 30 * time.Second
)

// AwaitReachable says in the log that the API server does not answer, where it is
// looked for and why, until it has answered once. client-go by itself says
// nothing for as long as a connection may take. After that it asks nothing more.
func (c *Clients) AwaitReachable(ctx context.Context) {
	client := c.Lease.CoordinationV1().RESTClient()
	begin := time.Now()
	var said time.Time
	for {
		err := answers(ctx, client)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil && !said.IsZero():
			level.Info(c.logger).Log("msg", "the API server answers", "address", address(c.host), "after", time.Since(begin).Round(time.Second))
			return
		case err == nil:
			return
		case time.Since(said) >= reachRepeat:
			said = time.Now()
			level.Error(c.logger).Log("msg", "the API server cannot be reached, trying again until it can: "+
				"check --kubeconfig, --apiserver, DNS, routes and network policies", "address", address(c.host), "err", err)
		}
		pause := time.NewTimer(reachRetry)
		select {
		case <-ctx.Done():
		case <-pause.C:
		}
		pause.Stop()
	}
}

// answers returns why there is no answer. A refusal is one.
func answers(ctx context.Context, client rest.Interface) error {
	brief, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	err := client.Get().AbsPath("/version").MaxRetries(0).Do(brief).Error()
	if status, is := errors.AsType[*apierrors.StatusError](err); is && status.ErrStatus.Code < http.StatusInternalServerError {
		return nil
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no answer within %s", reachTimeout)
	}
	if failure, is := errors.AsType[*url.Error](err); is {
		return failure.Err // the address is told beside it
	}
	return err
}

// address returns a server's address without what may be a password in it.
func address(host string) string {
	u, err := url.Parse(host)
	if err != nil {
		return "(malformed)"
	}
	return u.Redacted()
}

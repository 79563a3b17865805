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
	// reachTimeout is how long one attempt waits for a response.
	reachTimeout = 3 * time.Second
	reachRetry   = 2 * time.Second
	// reachRepeat is the interval between log lines about the same outage.
	reachRepeat = 30 * time.Second
)

// AwaitReachable logs the address and the error while the API server is unreachable. It
// returns after the first response. client-go by itself logs nothing until a connection
// attempt times out.
func (c *Clients) AwaitReachable(ctx context.Context) {
	begin := time.Now()
	var logged time.Time
	for {
		err := answers(ctx, c.lease)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil && !logged.IsZero():
			level.Info(c.logger).Log("msg", "the API server answers", "address", address(c.host), "after", time.Since(begin).Round(time.Second))
			return
		case err == nil:
			return
		case time.Since(logged) >= reachRepeat:
			logged = time.Now()
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

// answers returns nil if the API server responds, even with a client error such as
// Forbidden.
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
		return failure.Err // without the URL: the address is logged separately
	}
	return err
}

// address returns a server's URL with its password redacted.
func address(host string) string {
	u, err := url.Parse(host)
	if err != nil {
		return "(malformed)"
	}
	return u.Redacted()
}

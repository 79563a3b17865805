package integration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// hanging lies between a controller and STS, and answers no call that names a role, until it is released.
type hanging struct {
	release chan struct{}

	mu   sync.Mutex
	held map[*http.Request]struct{}
}

// hang has the controllers of a test ask AWS through one that hangs for a role.
func (w *world) hang(role string) *hanging {
	w.t.Helper()
	h := &hanging{release: make(chan struct{}), held: map[*http.Request]struct{}{}}
	target, err := url.Parse(w.aws.URL())
	require.NoError(w.t, err)
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host }} // hosts are signed
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		form, err2 := url.ParseQuery(string(body))
		if err == nil && err2 == nil && strings.HasSuffix(form.Get("RoleArn"), "/"+role) && !h.hold(r) {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		proxy.ServeHTTP(rw, r)
	}))
	w.t.Cleanup(server.Close)
	w.env = append(w.env, "AWS_ENDPOINT_URL_STS="+server.URL)
	return h
}

// hold reports whether a call was released; if not, its client has given up.
func (h *hanging) hold(r *http.Request) bool {
	h.mu.Lock()
	h.held[r] = struct{}{}
	h.mu.Unlock()
	defer func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.held, r)
	}()
	select {
	case <-h.release:
		return true
	case <-r.Context().Done():
		return false
	}
}

// one waits for a call that hangs.
func (h *hanging) one(w *world) (call *http.Request) {
	w.t.Helper()
	w.eventually(func(context.Context) error {
		h.mu.Lock()
		defer h.mu.Unlock()
		for call = range h.held {
			return nil
		}
		return errors.New("no call hangs")
	})
	return call
}

func TestAnIdentityThatHangsHoldsUpNobody(t *testing.T) {
	w := newWorld(t)
	h := w.hang("bad")
	w.iamRole("", "good")
	c := w.start("--workers=2")
	t.Cleanup(c.Kill) // before the server waits for its connections
	w.account("bad", "bad")
	for n := range 4 { // the controller gives up on a call in the end, and tries again
		call := h.one(w)
		name := fmt.Sprintf("good-%d", n)
		w.account(name, "good")
		w.secret(name+".aws-iam", nil)
		if call.Context().Err() == nil {
			return // it was served while another hung
		}
	}
	t.Fatal("nobody was served while a call hung")
}

func TestIdentitiesThatFailHoldUpNobodyAndAreTriedAgain(t *testing.T) {
	w := newWorld(t)
	w.iamRole("", "app")
	w.start("--workers=2")
	const bad = 40
	for i := range bad {
		w.account(fmt.Sprintf("bad-%d", i), fmt.Sprintf("no-such-role-%d", i))
	}
	tries := func() map[string]int {
		by := map[string]int{}
		for _, call := range w.aws.Calls() {
			if _, role, is := strings.Cut(call.Params["RoleArn"], "/no-such-role-"); is {
				by[role]++
			}
		}
		return by
	}
	failed := func(times int) func(context.Context) error {
		return func(context.Context) error {
			by := tries()
			for i := range bad {
				if n := by[fmt.Sprint(i)]; n < times {
					return fmt.Errorf("role %d was asked for %d times", i, n)
				}
			}
			return nil
		}
	}
	w.eventually(failed(1))
	w.account("good", "app")
	w.secret("good.aws-iam", nil)
	w.eventually(failed(3))
	w.account("later", "app")
	w.secret("later.aws-iam", nil)
	w.iamRole("", "no-such-role-7")
	w.secret("bad-7.aws-iam", nil)
}

package kit

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/rest"
)

// A Tap lies between a controller and all that it calls. It lists the calls, and can cut in once one of them has taken
// effect, before its answer arrives: there a crash does the most harm.
type Tap struct {
	servers [2]*http.Server
	urls    [2]string

	mu    sync.Mutex
	calls []Call
	after *Call
	cut   func()
}

// A Call is the nth, from 1, of its name: an action of AWS, or a verb and a resource.
type Call struct {
	Name string
	Nth  int
}

// callName is the key of a call's name in the context of its request.
type callName struct{}

// errCut ends a call whose answer is not to arrive.
var errCut = errors.New("cut")

// StartTap lies in front of an API server and of simulated AWS, until Close. Watches pass uncounted.
func StartTap(ctx context.Context, kubernetes *rest.Config, aws string) (*Tap, error) {
	transport, err := rest.TransportFor(kubernetes)
	if err != nil {
		return nil, err
	}
	t := &Tap{}
	for i, upstream := range []struct {
		url       string
		transport http.RoundTripper
		name      func(*http.Request) string
	}{
		{kubernetes.Host, transport, kubernetesCall},
		{aws, http.DefaultTransport, awsCall},
	} {
		target, err := url.Parse(upstream.url)
		if err != nil {
			return nil, err
		}
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		proxy := &httputil.ReverseProxy{
			Transport:     upstream.transport,
			FlushInterval: -1, // watches
			// The host is part of what AWS requests are signed over.
			Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host },
			ModifyResponse: func(r *http.Response) error {
				name, _ := r.Request.Context().Value(callName{}).(string)
				return t.note(name)
			},
			ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
		}
		named := func(w http.ResponseWriter, r *http.Request) {
			proxy.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callName{}, upstream.name(r))))
		}
		t.urls[i] = "http://" + listener.Addr().String()
		t.servers[i] = &http.Server{Handler: http.HandlerFunc(named), ReadHeaderTimeout: 10 * time.Second}
		go func() { _ = t.servers[i].Serve(listener) }() // ends with Close
	}
	return t, nil
}

// Kubernetes and AWS are where the controller is to find them.
func (t *Tap) Kubernetes() string { return t.urls[0] }

// AWS is the endpoint of IAM and STS.
func (t *Tap) AWS() string { return t.urls[1] }

// CutAfter makes a call, counted from now on, have no answer, and calls cut when it has taken effect. nil is for none.
func (t *Tap) CutAfter(call *Call, cut func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.calls, t.after, t.cut = nil, call, cut
}

// Calls returns the calls since CutAfter.
func (t *Tap) Calls() []Call {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.calls)
}

// Close ends all connections.
func (t *Tap) Close() error { return errors.Join(t.servers[0].Close(), t.servers[1].Close()) }

// note counts a call.
func (t *Tap) note(name string) error {
	if name == "" {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	call := Call{Name: name, Nth: 1}
	for _, before := range t.calls {
		if before.Name == name {
			call.Nth++
		}
	}
	t.calls = append(t.calls, call)
	if t.after == nil || call != *t.after {
		return nil
	}
	t.cut()
	return errCut
}

// kubernetesCall names a call by its verb and resource, "" for a watch, a list to begin a watch with, and what clients
// ask before anything else. Events are left out: they are sent beside the work, at any moment, and nothing follows from
// them.
func kubernetesCall(r *http.Request) string {
	query := r.URL.Query()
	if query.Get("watch") != "" || query.Get("resourceVersion") != "" || !strings.Contains(r.URL.Path, "/namespaces/") {
		return ""
	}
	_, path, _ := strings.Cut(r.URL.Path, "/namespaces/")
	parts := strings.Split(path, "/")
	if len(parts) < 2 || parts[1] == "events" {
		return ""
	}
	return r.Method + " " + parts[1]
}

// awsCall names a call by its action, which is in the body.
func awsCall(r *http.Request) string {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return "unreadable"
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return "unreadable"
	}
	return form.Get("Action")
}

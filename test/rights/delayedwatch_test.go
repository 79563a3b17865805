package rights

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"kube-aws-iam-controller/test/kit"
)

// A lag lies between a controller and the API server, as kubectl proxy does, and holds back what watches of Namespaces
// tell.
type lag struct {
	*httptest.Server

	held    atomic.Bool
	release chan struct{}
	once    sync.Once
}

func newLag(config *rest.Config) (*lag, error) {
	target, err := url.Parse(config.Host)
	if err != nil {
		return nil, err
	}
	transport, err := rest.TransportFor(config)
	if err != nil {
		return nil, err
	}
	l := &lag{release: make(chan struct{})}
	l.Server = httptest.NewServer(&httputil.ReverseProxy{
		Transport:     transport,
		FlushInterval: -1,
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ModifyResponse: func(r *http.Response) error {
			if r.Request.URL.Path == "/api/v1/namespaces" && r.Request.URL.Query().Has("watch") {
				r.Body = &heldBack{r.Body, l}
			}
			return nil
		},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	})
	return l, nil
}

// end lets everything through, and closes.
func (l *lag) end() {
	l.once.Do(func() { close(l.release) })
	l.CloseClientConnections()
	l.Close()
}

// heldBack is the body of a watch.
type heldBack struct {
	io.ReadCloser

	lag *lag
}

func (h *heldBack) Read(p []byte) (int, error) {
	n, err := h.ReadCloser.Read(p)
	if h.lag.held.Load() {
		<-h.lag.release
	}
	return n, err
}

// asksAboutANewNamespace makes a ServiceAccount that the controller sees before its namespace.
func (w *world) asksAboutANewNamespace(ctx context.Context) error {
	late := w.served + "-late"
	if _, err := w.aws.Role(kit.AccountID, "", "late", late+"/test"); err != nil {
		return err
	}
	config, err := w.ServiceAccountConfig(ctx, w.own, kit.Account)
	if err != nil {
		return err
	}
	l, err := newLag(config)
	if err != nil {
		return err
	}
	w.t.Cleanup(func() {
		w.stop(context.Background())
		l.end()
	})
	if err = w.start(ctx, "--apiserver="+l.URL); err != nil {
		return err
	}
	if err = w.isReady(ctx); err != nil {
		return err
	}
	l.held.Store(true)
	namespaces := w.Client().CoreV1().Namespaces()
	if _, err = namespaces.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: late}}, metav1.CreateOptions{}); err != nil {
		return err
	}
	w.t.Cleanup(func() { _ = namespaces.Delete(context.Background(), late, metav1.DeleteOptions{}) })
	if err = w.account(ctx, late, "early", "role", "late"); err != nil {
		return err
	}
	return w.holdsIn(ctx, late, "early.aws-iam", "late")
}

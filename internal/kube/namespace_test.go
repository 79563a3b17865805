package kube

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// namespaceAPI is an API server with one namespace and the two requests for it that a Role in it can grant.
type namespaceAPI struct {
	// older is for an API server without sendInitialEvents. absent is for a namespace that does not exist yet.
	older, absent bool
	// changes are values of the annotation, one per MODIFIED event.
	changes chan string
	// strayed is the last request that a Role cannot grant.
	strayed atomic.Pointer[string]
}

func (a *namespaceAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	query := r.URL.Query()
	switch {
	case r.URL.Path == "/api/v1/namespaces/ns" && a.absent:
		fail(w, http.StatusNotFound, metav1.StatusReasonNotFound)
	case r.URL.Path == "/api/v1/namespaces/ns":
		_, _ = fmt.Fprint(w, object("", "first", "7"))
	case r.URL.Path != "/api/v1/watch/namespaces/ns":
		a.strayed.Store(new(r.URL.String()))
		fail(w, http.StatusForbidden, metav1.StatusReasonForbidden)
	case a.older && query.Has("sendInitialEvents"):
		fail(w, http.StatusUnprocessableEntity, metav1.StatusReasonInvalid)
	case query.Get("resourceVersion") == "7":
		fail(w, http.StatusGone, metav1.StatusReasonExpired) // compacted
	default:
		a.watch(w, r)
	}
}

// watch sends the namespace if it exists, and then its changes.
func (a *namespaceAPI) watch(w http.ResponseWriter, r *http.Request) {
	flush := func(event string) {
		_, _ = fmt.Fprintln(w, event)
		_ = http.NewResponseController(w).Flush()
	}
	if !a.absent {
		flush(object("ADDED", "first", "7"))
	}
	if r.URL.Query().Has("sendInitialEvents") {
		flush(`{"type":"BOOKMARK","object":{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{"resourceVersion":"90","annotations":{"k8s.io/initial-events-end":"true"}}}}`)
	}
	for version := 91; ; version++ {
		select {
		case <-r.Context().Done():
			return
		case value := <-a.changes:
			flush(object("MODIFIED", value, fmt.Sprint(version)))
		}
	}
}

// object returns the namespace as JSON, or an event about it.
func object(event, value, version string) string {
	text := `{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{"name":"ns","resourceVersion":"` + version + `","annotations":{"rule":"` + value + `"}}}`
	if event == "" {
		return text
	}
	return `{"type":"` + event + `","object":` + text + `}`
}

func TestNamespaceInformerNeedsOnlyRole(t *testing.T) {
	for name, a := range map[string]*namespaceAPI{
		"existing":                        {},
		"created later":                   {absent: true},
		"existing, older API server":      {older: true},
		"created later, older API server": {older: true, absent: true},
	} {
		t.Run(name, func(t *testing.T) {
			a.changes = make(chan string, 1)
			s := httptest.NewServer(a)
			t.Cleanup(s.CloseClientConnections)
			clients, err := Connect(Options{APIServer: s.URL, QPS: 100, UserAgent: "test", Logger: log.NewNopLogger()})
			require.NoError(t, err)
			informer, err := clients.NamespaceInformer("ns", keep)
			require.NoError(t, err)
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() { defer close(done); informer.RunWithContext(ctx) }()
			t.Cleanup(func() { cancel(); <-done })

			require.Eventually(t, informer.HasSynced, time.Minute, 5*time.Millisecond)
			if a.absent {
				assert.Empty(t, informer.GetStore().List())
			} else {
				assert.Equal(t, "first", kept(informer))
			}
			for _, value := range []string{"second", "third"} {
				a.changes <- value
				require.Eventually(t, func() bool { return kept(informer) == value }, time.Minute, 5*time.Millisecond)
			}
			assert.False(t, informer.Refused())
			assert.Nil(t, a.strayed.Load(), "request that a Role cannot grant")
		})
	}
}

// kept returns the annotation of the namespace in the informer's cache.
func kept(informer *Informer) string {
	obj, _, _ := informer.GetStore().GetByKey("ns")
	if meta, ok := obj.(*metav1.PartialObjectMetadata); ok {
		return meta.Annotations["rule"]
	}
	return ""
}

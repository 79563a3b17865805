package kube

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/internal/awsiamrole"
)

// selecting is an API server with one object of a kind, whatever is selected. It records what was asked for.
type selecting struct {
	kind, apiVersion string

	mu    sync.Mutex
	asked map[string]bool // of lists and watches
}

func (s *selecting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	s.mu.Lock()
	s.asked[fmt.Sprintf("%s watch=%s labels=%s fields=%s", r.URL.Path, query.Get("watch"), query.Get("labelSelector"), query.Get("fieldSelector"))] = true
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if query.Get("sendInitialEvents") == "true" { // as an older API server: so that lists are asked for as well
		fail(w, http.StatusUnprocessableEntity, metav1.StatusReasonInvalid)
		return
	}
	if query.Has("watch") {
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		return
	}
	_, _ = fmt.Fprintf(w, `{"kind":%q,"apiVersion":%q,"metadata":{"resourceVersion":"1"},"items":[{"metadata":{"namespace":"ns","name":"a","uid":"u1",
		"resourceVersion":"7","labels":{"l":"v"},"annotations":{"a":"v"},"managedFields":[{"manager":"kubectl"}]}}]}`, s.kind+"List", s.apiVersion)
}

func (s *selecting) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for request := range s.asked {
		all = append(all, request)
	}
	return all
}

func TestWhatInformersAskForAndKeep(t *testing.T) {
	secrets := corev1.SchemeGroupVersion.WithResource("secrets")
	whole := metav1.ObjectMeta{
		Namespace: "ns", Name: "a", UID: "u1", ResourceVersion: "7", Labels: map[string]string{"l": "v"}, Annotations: map[string]string{"a": "v"},
		ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "kubectl"}},
	}
	version := metav1.ObjectMeta{Namespace: "ns", Name: "a", UID: "u1", ResourceVersion: "7"}
	role := metav1.ObjectMeta{Namespace: "ns", Name: "a", UID: "u1", ResourceVersion: "7", Labels: map[string]string{"l": "v"}}
	for name, tc := range map[string]struct {
		start func(*Clients) (*Informer, error)
		asked string
		keeps metav1.ObjectMeta
		kind  string
	}{
		"by labels": {
			func(c *Clients) (*Informer, error) { return c.MetadataInformer(secrets, "ns", "l=v", keep) },
			"/api/v1/namespaces/ns/secrets watch=%s labels=l=v fields=", whole, "PartialObjectMetadata",
		},
		"in all namespaces": {
			func(c *Clients) (*Informer, error) { return c.MetadataInformer(secrets, "", "", keep) },
			"/api/v1/secrets watch=%s labels= fields=", whole, "PartialObjectMetadata",
		},
		"by name": {
			func(c *Clients) (*Informer, error) { return c.NamedInformer(secrets, "ns", "a") },
			"/api/v1/namespaces/ns/secrets watch=%s labels= fields=metadata.name=a", version, "PartialObjectMetadata",
		},
		"by labels and fields": {
			func(c *Clients) (*Informer, error) { return c.SelectedInformer(secrets, "ns", "l=v", "type=Opaque") },
			"/api/v1/namespaces/ns/secrets watch=%s labels=l=v fields=type=Opaque", version, "PartialObjectMetadata",
		},
		"all namespaces": {
			func(c *Clients) (*Informer, error) { return c.NamespaceInformer("", keep) },
			"/api/v1/namespaces watch=%s labels= fields=", whole, "PartialObjectMetadata",
		},
		"AWSIAMRoles": {
			func(c *Clients) (*Informer, error) { return c.RoleInformer("ns") },
			"/apis/zalando.org/v1/namespaces/ns/awsiamroles watch=%s labels= fields=", role, "AWSIAMRole",
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := &selecting{kind: tc.kind, apiVersion: "meta.k8s.io/v1", asked: map[string]bool{}}
			if tc.kind == "AWSIAMRole" {
				server.apiVersion = "zalando.org/v1"
			}
			informer := started(t, server, tc.start)
			require.Eventually(t, func() bool { return informer.HasSynced() && len(server.requests()) == 2 }, time.Minute, 5*time.Millisecond)
			assert.ElementsMatch(t, []string{fmt.Sprintf(tc.asked, ""), fmt.Sprintf(tc.asked, "true")}, server.requests())
			obj, _, err := informer.GetStore().GetByKey("ns/a")
			require.NoError(t, err)
			switch obj := obj.(type) {
			case *metav1.PartialObjectMetadata:
				assert.Equal(t, tc.keeps, obj.ObjectMeta)
			case *awsiamrole.AWSIAMRole:
				assert.Equal(t, tc.keeps, obj.ObjectMeta)
			default:
				t.Errorf("it keeps %T", obj)
			}
		})
	}
}

// started returns an informer that runs until the test ends.
func started(t *testing.T, server http.Handler, start func(*Clients) (*Informer, error)) *Informer {
	t.Helper()
	s := httptest.NewServer(server)
	t.Cleanup(s.Close)
	t.Cleanup(s.CloseClientConnections)
	clients, err := Connect(Options{APIServer: s.URL, QPS: 100, UserAgent: "test", Logger: log.NewNopLogger()})
	require.NoError(t, err)
	informer, err := start(clients)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); informer.RunWithContext(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return informer
}

func TestInformerSettlesOnceItHasSyncedOrIsRefused(t *testing.T) {
	for code, settles := range map[int]bool{0: true, http.StatusForbidden: true, http.StatusNotFound: true, http.StatusInternalServerError: false} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			informer, server, _ := watching(t, code)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if !settles {
				require.Eventually(t, func() bool { return server.asked.Load() > 0 }, time.Minute, 5*time.Millisecond)
				cancel()
			}
			assert.Equal(t, settles, informer.AwaitSettled(ctx))
		})
	}
}

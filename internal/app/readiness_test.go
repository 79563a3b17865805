package app

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/kube"
	"kube-aws-iam-controller/internal/namespaces"
)

// watchedBy returns a controller whose informers run on an API server that refuses, as forbidden, resources of which
// the path contains one of these words. It has no objects.
func watchedBy(t *testing.T, refused ...string) *controller {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for _, word := range refused {
			if strings.Contains(r.URL.Path, word) {
				w.WriteHeader(http.StatusForbidden)
				_, _ = w.Write([]byte(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403}`))
				return
			}
		}
		kind, version := "PartialObjectMetadata", "meta.k8s.io/v1"
		if strings.Contains(r.URL.Path, "awsiamroles") {
			kind, version = "AWSIAMRole", "zalando.org/v1"
		}
		if !r.URL.Query().Has("watch") {
			_, _ = fmt.Fprintf(w, `{"kind":%q,"apiVersion":%q,"metadata":{"resourceVersion":"1"},"items":[]}`, kind+"List", version)
			return
		}
		if r.URL.Query().Get("sendInitialEvents") == "true" {
			_, _ = fmt.Fprintf(w, `{"type":"BOOKMARK","object":{"kind":%q,"apiVersion":%q,`+
				`"metadata":{"resourceVersion":"1","annotations":{"k8s.io/initial-events-end":"true"}}}}`+"\n", kind, version)
		}
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	t.Cleanup(server.CloseClientConnections)
	clients, err := kube.Connect(kube.Options{APIServer: server.URL, QPS: 100, UserAgent: "test", Logger: log.NewNopLogger()})
	require.NoError(t, err)
	c := &controller{logger: log.NewNopLogger(), clients: clients}
	_, _, err = c.openSources(nil)
	require.NoError(t, err)
	informer, err := clients.NamespaceInformer("", namespaces.Transform)
	require.NoError(t, err)
	c.rules = &rules{informer: informer}
	return c
}

// start runs the informers until the test ends.
func (c *controller) start(t *testing.T) {
	t.Helper()
	all := []*kube.Informer{c.rules.informer}
	for _, s := range c.sources {
		all = append(all, s.objects, s.secrets)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	t.Cleanup(func() { cancel(); running.Wait() })
	for _, informer := range all {
		running.Go(func() { informer.RunWithContext(ctx) })
	}
}

// failing returns the checks that fail.
func (c *controller) failing() (names []string) {
	for _, check := range c.readiness() {
		if check.Test() != nil {
			names = append(names, check.Name)
		}
	}
	return names
}

func TestReadyOnceCachesAreFilledOrRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		refused, failing []string
	}{
		"all":                           {nil, nil},
		"AWSIAMRoles are not installed": {[]string{"awsiamroles"}, nil},
		"Namespaces may not be listed":  {[]string{"/namespaces"}, nil},
		"no objects may be listed":      {[]string{"awsiamroles", "serviceaccounts"}, []string{"sources"}},
		"Secrets may not be listed":     {[]string{"secrets"}, []string{"sources", "serviceaccount", "awsiamrole"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := watchedBy(t, tc.refused...)
			assert.Equal(t, []string{"sources", "namespaces", "serviceaccount", "awsiamrole"}, c.failing(), "before they run")
			c.start(t)
			require.EventuallyWithT(t, func(now *assert.CollectT) { assert.Equal(now, tc.failing, c.failing()) }, time.Minute, 10*time.Millisecond)
		})
	}
}

func TestReadinessOfTheWebhookIsThatOfItsCacheAndCertificate(t *testing.T) {
	c := watchedBy(t)
	c.webhook = &webhook{accounts: c.sources[0].objects, certificate: issued{}}
	assert.Contains(t, c.failing(), "webhook")
	c.start(t)
	require.Eventually(t, func() bool { return len(c.failing()) == 0 }, time.Minute, 10*time.Millisecond)
	c.webhook.certificate = issued{err: errBroken}
	assert.Equal(t, []string{"webhook"}, c.failing())
}

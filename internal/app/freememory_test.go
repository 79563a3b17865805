package app

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-kit/log"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/config"
	"kube-aws-iam-controller/internal/kube"
)

func TestMemoryIsFreedOnceAfterEachBurstOfWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var total, freed atomic.Uint64
		total.Store(1 << 30)
		go freeAfterBursts(ctx, total.Load, func() { freed.Add(1) })
		synctest.Wait()
		pass := func(bytes, want uint64, what string) {
			total.Add(bytes)
			time.Sleep(burstInterval)
			synctest.Wait()
			assert.Equal(t, want, freed.Load(), what)
		}
		pass(burstSize-1, 0, "little work")
		pass(burstSize, 0, "a burst has begun")
		pass(burstSize, 0, "it goes on")
		pass(0, 1, "it is over")
		pass(burstSize-1, 1, "little work again")
		pass(3*burstSize, 1, "another burst")
		pass(0, 2, "which is over")
		cancel()
	})
}

func TestAllocationsAreCounted(t *testing.T) {
	before := allocated()
	kept := make([]byte, burstSize)
	assert.GreaterOrEqual(t, allocated()-before, uint64(len(kept)))
}

func TestMemoryIsFreedIfAWSIAMRolesAreNotInstalled(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch {
		case strings.Contains(r.URL.Path, "zalando.org"):
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write([]byte(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}`))
		case r.URL.Query().Has("watch") && r.URL.Query().Get("sendInitialEvents") == "true":
			_, _ = w.Write([]byte(`{"type":"BOOKMARK","object":{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1",` +
				`"metadata":{"resourceVersion":"1","annotations":{"k8s.io/initial-events-end":"true"}}}}` + "\n"))
			assert.NoError(t, http.NewResponseController(w).Flush())
			<-r.Context().Done()
		case r.URL.Query().Has("watch"):
			<-r.Context().Done()
		default:
			_, _ = w.Write([]byte(`{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1","metadata":{"resourceVersion":"1"},"items":[]}`))
		}
	}))
	t.Cleanup(server.CloseClientConnections)
	clients, err := kube.Connect(kube.Options{APIServer: server.URL, QPS: 100, UserAgent: "test", Logger: log.NewNopLogger()})
	require.NoError(t, err)
	c := &controller{config: config.Config{}, logger: log.NewNopLogger(), clients: clients}
	_, _, err = c.openSources(nil)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for _, s := range c.sources {
		go s.objects.RunWithContext(ctx)
		go s.secrets.RunWithContext(ctx)
	}
	freed := make(chan struct{})
	go c.freeMemory(ctx, func() { close(freed) })
	require.Eventually(t, func() bool {
		select {
		case <-freed:
			return true
		default:
			return false
		}
	}, 20*time.Second, 10*time.Millisecond)
}

func TestMemoryIsNotFreedBeforeAllCachesAreFilled(t *testing.T) {
	for name, filled := range map[string]func(source) *kube.Informer{
		"only Secrets": func(s source) *kube.Informer { return s.secrets },
		"only objects": func(s source) *kube.Informer { return s.objects },
	} {
		t.Run(name, func(t *testing.T) {
			c := watchedBy(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			for _, s := range c.sources {
				go filled(s).RunWithContext(ctx)
			}
			for _, s := range c.sources {
				require.Eventually(t, filled(s).HasSynced, time.Minute, 10*time.Millisecond)
			}
			ended, end := context.WithCancel(t.Context())
			end()
			c.freeMemory(ended, func() { t.Error("it was freed") })
		})
	}
}

package app

import (
	"context"
	"net/http"
	"net/http/httptest"
	"runtime/debug"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/go-kit/log"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/config"
	"kube-aws-iam-controller/internal/kube"
)

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

func TestMemoryLimitIsNineTenthsOfTheContainers(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetMemoryLimit(before) })
	for name, tc := range map[string]struct {
		file, text, variable string
		want                 int64
	}{
		"cgroups v2":                  {file: "memory.max", text: "536870912\n", want: 483183819},
		"cgroups v1":                  {file: "memory/memory.limit_in_bytes", text: "536870912\n", want: 483183819},
		"no limit in v2":              {file: "memory.max", text: "max\n"},
		"no limit in v1":              {file: "memory/memory.limit_in_bytes", text: "9223372036854771712\n"},
		"no cgroups":                  {file: "other"},
		"an invalid limit":            {file: "memory.max", text: "-5\n"},
		"GOMEMLIMIT takes precedence": {file: "memory.max", text: "536870912\n", variable: "1GiB"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("GOMEMLIMIT", tc.variable)
			debug.SetMemoryLimit(before)
			assert.Equal(t, tc.want, setMemoryLimit(fstest.MapFS{tc.file: {Data: []byte(tc.text)}}))
			want := before
			if tc.want > 0 {
				want = tc.want
			}
			assert.Equal(t, want, debug.SetMemoryLimit(-1))
		})
	}
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

func TestGarbageIsCollectedMoreOftenUnlessTheUserSaysHowOften(t *testing.T) {
	before := debug.SetGCPercent(77)
	t.Cleanup(func() { debug.SetGCPercent(before) })
	t.Setenv("GOGC", "77")
	setGCPercent()
	assert.Equal(t, 77, debug.SetGCPercent(77))
	t.Setenv("GOGC", "")
	setGCPercent()
	assert.Equal(t, gcPercent, debug.SetGCPercent(77))
}

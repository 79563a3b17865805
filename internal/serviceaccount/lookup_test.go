package serviceaccount

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/tools/cache"

	"kube-aws-iam-controller/internal/api"
)

// slowServer is an API server that returns, after a second, a ServiceAccount as it
// was at the time of the request. It answers for one namespace.
type slowServer struct {
	metadata.Getter

	mu                      sync.Mutex
	role                    string
	reads, underWay, atOnce int
}

func (s *slowServer) Resource(schema.GroupVersionResource) metadata.Getter { return s }

func (s *slowServer) Namespace(string) metadata.ResourceInterface { return s }

func (s *slowServer) Get(ctx context.Context, _ string, _ metav1.GetOptions, _ ...string) (*metav1.PartialObjectMetadata, error) {
	s.mu.Lock()
	s.reads++
	s.underWay++
	s.atOnce = max(s.atOnce, s.underWay)
	annotations := map[string]string{}
	if s.role != "" {
		annotations[api.RoleAnnotation] = s.role
	}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.underWay--
	}()
	select {
	case <-time.After(time.Second):
		return object(annotations), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// answer is the result of a lookup for a pod, and its time.
type answer struct {
	asks bool
	err  error
	at   time.Duration
}

// pods returns a function that starts a lookup for a pod, and one that waits for
// all results.
func pods(s *slowServer) (ask func(ctx context.Context, namespace, name string) *answer, wait func()) {
	w := newPodQueue(s)
	return func(ctx context.Context, namespace, name string) *answer { return w.ask(ctx, "", namespace, name) }, w.all.Wait
}

// podQueue starts lookups for pods and waits for them.
type podQueue struct {
	source *Source
	start  time.Time
	all    sync.WaitGroup
}

// newPodQueue returns a podQueue whose cache has some ServiceAccounts that request
// nothing.
func newPodQueue(s *slowServer) *podQueue {
	source, _, _ := newSource()
	for i := range 4 * maxLookups {
		_ = source.informer.GetStore().Add(cache.ExplicitKey(fmt.Sprintf("crowded/app-%d", i)))
	}
	for _, key := range []string{"ns/app", "crowded/gone"} {
		_ = source.informer.GetStore().Add(cache.ExplicitKey(key))
	}
	source.lookups, source.untrusted = newLookups(s, Annotations{}, maxLookups, 0), newLookups(s, Annotations{}, maxUntrusted, maxUncached)
	return &podQueue{source: source, start: time.Now()}
}

// ask starts a lookup on behalf of the API server, or of an untrusted address.
func (w *podQueue) ask(ctx context.Context, stranger, namespace, name string) *answer {
	told := &answer{}
	w.all.Go(func() {
		give, err := w.source.Injection(ctx, stranger, namespace, name)
		*told = answer{asks: give != nil, err: err, at: time.Since(w.start)}
	})
	synctest.Wait()
	return told
}

func TestConcurrentLookupsShareACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slowServer{role: "app"}
		ask, wait := pods(s)
		all := make([]*answer, 100)
		for i := range all {
			all[i] = ask(t.Context(), "ns", "app")
		}
		wait()
		assert.Equal(t, 1, s.reads)
		for _, told := range all {
			assert.Equal(t, &answer{asks: true, at: time.Second}, told)
		}
	})
}

func TestLookupRepeatsAnOlderAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slowServer{}
		ask, wait := pods(s)
		before := ask(t.Context(), "ns", "app")
		time.Sleep(time.Second / 2)
		s.mu.Lock()
		s.role = "app"
		s.mu.Unlock()
		after, another := ask(t.Context(), "ns", "app"), ask(t.Context(), "ns", "app")
		wait()
		assert.Equal(t, &answer{at: time.Second}, before, "it asked before the annotation was there")
		assert.Equal(t, &answer{asks: true, at: 2 * time.Second}, after)
		assert.Equal(t, &answer{asks: true, at: 2 * time.Second}, another)
		assert.Equal(t, 2, s.reads)
	})
}

func TestCancelledLookupKeepsTheCallForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slowServer{role: "app"}
		ask, wait := pods(s)
		ctx, leave := context.WithCancel(t.Context())
		first := ask(ctx, "ns", "app")
		second := ask(t.Context(), "ns", "app")
		leave()
		wait()
		require.ErrorIs(t, first.err, context.Canceled)
		assert.Zero(t, first.at)
		assert.Equal(t, 1, s.reads)
		assert.Equal(t, &answer{asks: true, at: time.Second}, second)
	})
}

func TestLookupsAreLimitedPerNamespace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slowServer{role: "app"}
		ask, wait := pods(s)
		for i := range 4 * maxLookups {
			ask(t.Context(), "crowded", fmt.Sprintf("app-%d", i))
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second/2)
		defer cancel()
		gone := ask(short, "crowded", "gone")
		other := ask(t.Context(), "ns", "app")
		wait()
		require.ErrorIs(t, gone.err, context.DeadlineExceeded)
		assert.Equal(t, time.Second/2, gone.at)
		assert.Equal(t, &answer{asks: true, at: time.Second}, other)
		time.Sleep(lookupTimeout) // the call continues although its caller is gone
		synctest.Wait()
		assert.Equal(t, maxLookups+1, s.atOnce)
	})
}

func TestFinishedLookupsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slowServer{}
		l := newLookups(s, Annotations{}, maxLookups, 0)
		for i := range 20 * maxLookups {
			go func() {
				_, _ = l.read(t.Context(), query{queue: "ns", namespace: "ns", name: fmt.Sprintf("app-%d", i)})
			}()
		}
		synctest.Wait()
		assert.Equal(t, 1, l.queues.Keys())
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Zero(t, l.queues.Keys())
		assert.Empty(t, l.calls)
		assert.Less(t, s.reads, 10*maxLookups, "those that wait too long give up")
	})
}

func TestCallIsCancelledWithItsLastWaiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slowServer{role: "app"}
		w := newPodQueue(s)
		ctx, leave := context.WithCancel(t.Context())
		for range 3 {
			w.ask(ctx, "", "ns", "app")
		}
		require.Equal(t, 1, s.underWay)
		leave()
		synctest.Wait()
		assert.Zero(t, s.underWay)
		told := w.ask(t.Context(), "", "ns", "app")
		w.all.Wait()
		assert.Equal(t, &answer{asks: true, at: time.Second}, told, "who comes later begins a read of its own")
	})
}

func TestUncachedNamesShareOneLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slowServer{role: "app"}
		w := newPodQueue(s)
		for i := range 4 * maxLookups {
			w.ask(t.Context(), "", fmt.Sprintf("invented-%d", i), fmt.Sprintf("app-%d", i))
		}
		assert.Equal(t, maxLookups, s.underWay)
		other := w.ask(t.Context(), "", "ns", "app")
		w.all.Wait()
		assert.Equal(t, &answer{asks: true, at: time.Second}, other)
	})
}

func TestUntrustedLookupsDoNotDelayOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slowServer{role: "app"}
		w := newPodQueue(s)
		for i := range 10 * maxLookups {
			w.ask(t.Context(), "10.0.0.1", "ns", fmt.Sprintf("invented-%d", i))
			w.ask(t.Context(), "10.0.0.2", fmt.Sprintf("invented-%d", i), "app")
		}
		assert.Equal(t, maxUncached, s.underWay)
		other := w.ask(t.Context(), "10.0.0.3", "ns", "app")
		server := w.ask(t.Context(), "", "ns", "app")
		w.all.Wait()
		assert.Equal(t, &answer{asks: true, at: time.Second}, other, "another address")
		assert.Equal(t, &answer{asks: true, at: time.Second}, server, "the API server")
	})
}

package status

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"

	"kube-aws-iam-controller/internal/identity"
)

// interval is how often changes are printed. States also change with the time alone.
const interval = time.Second

// A watcher keeps the objects of all kinds that the user may list.
type watcher map[string]cache.SharedInformer

// newWatcher starts the watches, which end with ctx.
func newWatcher(ctx context.Context, all []kind, found objects) watcher {
	w := watcher{}
	for _, k := range all {
		if objs, visible := found[k.name]; !visible || k.optional && objs == nil {
			continue
		}
		w[k.name] = cache.NewSharedInformer(k.listWatch(), k.example, 0)
		go w[k.name].RunWithContext(ctx)
	}
	return w
}

func (k kind) listWatch() *cache.ListWatch {
	selected := func(o metav1.ListOptions) metav1.ListOptions {
		o.LabelSelector, o.FieldSelector = k.options.LabelSelector, k.options.FieldSelector
		return o
	}
	return &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			return k.list(ctx, selected(o))
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			return k.watch(ctx, selected(o))
		},
	}
}

// synced waits for all objects, and returns false if ctx is done first.
func (w watcher) synced(ctx context.Context) bool {
	for name, informer := range w {
		if !cache.WaitFor(ctx, name, informer.HasSyncedChecker()) {
			return false
		}
	}
	return true
}

func (w watcher) objects() objects {
	found := objects{}
	for name, informer := range w {
		for _, obj := range informer.GetStore().List() {
			if object, is := obj.(runtime.Object); is {
				found[name] = append(found[name], object)
			}
		}
	}
	return found
}

// follow calls changed with the identities that differ from those before, until ctx is
// done.
func (w watcher) follow(ctx context.Context, before []Identity, derive func(objects, time.Time) []Identity, changed func([]Identity, time.Time) error) error {
	if !w.synced(ctx) {
		return nil
	}
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		now := time.Now()
		after := derive(w.objects(), now)
		if differ := changes(before, after); len(differ) > 0 {
			if err := changed(differ, now); err != nil {
				return err
			}
		}
		before = after
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// changes returns the identities of after that are new or differ, and, as Removed, those
// that are gone.
func changes(before, after []Identity) (differ []Identity) {
	old := make(map[identity.Key]*Identity, len(before))
	for i := range before {
		old[before[i].key()] = &before[i]
	}
	for i := range after {
		key := after[i].key()
		if was := old[key]; was == nil || !was.equal(&after[i]) {
			differ = append(differ, after[i])
		}
		delete(old, key)
	}
	for _, gone := range old {
		removed := *gone
		removed.State = Removed
		differ = append(differ, removed)
	}
	sortByTrouble(differ)
	return differ
}

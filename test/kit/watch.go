package kit

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
)

// watcher is what typed and dynamic clients have in common.
type watcher interface {
	Watch(ctx context.Context, options metav1.ListOptions) (watch.Interface, error)
}

// recheck is how often done is asked while nothing changes: a watch may have ended.
const recheck = 2 * time.Second

// until asks whether it is done at first, and whenever a watch tells of a change of what it selects.
func until(ctx context.Context, within time.Duration, of watcher, options metav1.ListOptions, done func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	changes, err := of.Watch(ctx, options) // before the first look, so that nothing is missed between
	if err != nil {
		return Eventually(ctx, within, done)
	}
	defer changes.Stop()
	ticker := time.NewTicker(recheck)
	defer ticker.Stop()
	events := changes.ResultChan()
	var last error
	for {
		err := done(ctx)
		if err == nil {
			return nil
		}
		if last == nil || ctx.Err() == nil {
			last = err
		}
		select {
		case _, open := <-events:
			if !open {
				events = nil
			}
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("not within %s: %w", within, last)
		}
	}
}

// named selects one object.
func named(name string) metav1.ListOptions {
	return metav1.ListOptions{FieldSelector: "metadata.name=" + name}
}

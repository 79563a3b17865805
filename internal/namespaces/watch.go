package namespaces

import (
	"fmt"
	"slices"

	"k8s.io/client-go/tools/cache"
)

// A Namespace is a namespace whose rules changed.
type Namespace struct {
	Name, UID string
	// Malformed is what is wrong with its rules, "" for nothing.
	Malformed string
	// Unknown is a message about annotations that look like rules but have no
	// effect, "" for none.
	Unknown string
}

// Watch calls changed for every namespace with rules, and again whenever they
// change.
func (s *Source) Watch(changed func(Namespace)) error {
	_, err := s.informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(obj any) {
			if r, ok := obj.(*namespaceRules); ok {
				changed(r.notification())
			}
		},
		UpdateFunc: func(old, cur any) {
			before, _ := old.(*namespaceRules)
			after, _ := cur.(*namespaceRules)
			switch {
			case after != nil && (before == nil || !slices.Equal(before.annotations, after.annotations)):
				changed(after.notification())
			case after == nil && before != nil:
				changed(Namespace{Name: before.name, UID: before.uid})
			}
		},
	})
	if err != nil {
		return fmt.Errorf("watch Namespaces: %w", err)
	}
	return nil
}

func (r *namespaceRules) notification() Namespace {
	return Namespace{Name: r.name, UID: r.uid, Malformed: r.malformed, Unknown: describeUnknown(r.unknown)}
}

package secrets

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/client-go/tools/cache"

	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/refresh"
)

// pendingTTL is how long a write of the controller is trusted before the informer
// shows it. The informer shows it within moments, except for Secrets that were
// created and deleted while a watch was interrupted.
const pendingTTL = 30 * time.Second

// pendingWrite is a write of the controller that the informer has not shown yet.
type pendingWrite struct {
	*observation
	at time.Time
}

// confirmWrite drops a pending write once the informer shows it or a later version.
// After a missed deletion the informer shows the last known state, which may be
// older than the write but proves that the Secret is gone.
func (s *Store) confirmWrite(key identity.Key, obj any, gone bool) {
	_, missed := obj.(cache.DeletedFinalStateUnknown)
	o, _ := obj.(*observation)
	s.mu.Lock()
	defer s.mu.Unlock()
	if gone {
		delete(s.trustedVersions, key)
	}
	if own, is := s.pending[key]; is && (missed || (o != nil && !newer(own.observation, o))) {
		delete(s.pending, key)
	}
}

// newer reports whether a is a later version of an object than b.
func newer(a, b *observation) bool {
	order, err := resourceversion.CompareResourceVersion(a.ResourceVersion, b.ResourceVersion)
	return err == nil && order > 0
}

// Observe returns the cached state of an identity's Secret, including writes of the
// controller that the informer has not shown yet.
func (s *Store) Observe(key identity.Key) refresh.State { return s.observe(key).State }

func (s *Store) observe(key identity.Key) observation {
	var seen observation
	name := key.Namespace + "/" + Name(key.Source, key.Name)
	if obj, exists, err := s.informers[key.Source].GetStore().GetByKey(name); err == nil && exists {
		if o, ok := obj.(*observation); ok {
			seen = *o
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	own, is := s.pending[key]
	if is && (!seen.Exists || newer(own.observation, &seen)) && time.Since(own.at) < pendingTTL {
		return *own.observation
	}
	delete(s.pending, key)
	if seen.Edited && s.trustedVersions[key] == seen.ResourceVersion {
		seen.Edited = false
	}
	return seen
}

// recordWrite stores the result of a write until the informer shows it.
func (s *Store) recordWrite(key identity.Key, meta *metav1.ObjectMeta) refresh.State {
	o := observe(key.Source, meta)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.trustedVersions, key)
	if o.Edited {
		s.trustedVersions[key], o.Edited = o.ResourceVersion, false
	}
	s.pending[key] = pendingWrite{observation: o, at: time.Now()}
	delete(s.conflicts, key)
	return o.State
}

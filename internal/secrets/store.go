package secrets

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/cache"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/refresh"
)

// confirmation is how long an own write is believed without the informer
// having shown it. It always shows it within moments, except for Secrets that
// came and went while a watch was interrupted.
const confirmation = 30 * time.Second

// A Store reads and writes the Secrets of all sources.
type Store struct {
	secrets   corev1client.SecretsGetter
	informers map[identity.Source]cache.SharedIndexInformer

	mu      sync.Mutex
	written map[identity.Key]ownWrite
	// trusted are the resource versions of own writes after which the API
	// server's record still names somebody else, because what they wrote was
	// what we would have written. Without this memory such a Secret would be
	// restored again and again.
	trusted map[identity.Key]string
	// conflicts are the keys whose Secret's name was found taken.
	conflicts map[identity.Key]struct{}
}

// ownWrite is a write of ours that the informer has not shown yet.
type ownWrite struct {
	*observation
	at time.Time
}

// NewStore returns a Store that writes through client and observes through an
// informer for each source, made with Selector and Transform.
func NewStore(client corev1client.SecretsGetter, informers map[identity.Source]cache.SharedIndexInformer) *Store {
	return &Store{
		secrets:   client,
		informers: informers,
		written:   map[identity.Key]ownWrite{},
		trusted:   map[identity.Key]string{},
		conflicts: map[identity.Key]struct{}{},
	}
}

// Watch calls changed for the identity of every Secret of source that is there,
// and again whenever one changes or goes away.
func (s *Store) Watch(source identity.Source, changed func(identity.Key)) error {
	handle := func(obj any, gone bool) {
		name, err := cache.DeletionHandlingObjectToName(obj)
		if err != nil {
			return // the store refuses such objects before handlers see them
		}
		object := objectName(source, name.Name)
		if object == "" {
			return
		}
		key := identity.Key{Source: source, Namespace: name.Namespace, Name: object}
		s.settle(key, obj, gone)
		changed(key)
	}
	_, err := s.informers[source].AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(obj any) { handle(obj, false) },
		UpdateFunc: func(_, cur any) { handle(cur, false) },
		DeleteFunc: func(obj any) { handle(obj, true) },
	})
	if err != nil {
		return fmt.Errorf("watch secrets of %s: %w", source, err)
	}
	return nil
}

// settle forgets an own write once the informer has shown it or what came
// after it. A deletion that was missed shows the last state known, which may
// be older than the write, but proves that the Secret is gone.
func (s *Store) settle(key identity.Key, obj any, gone bool) {
	_, missed := obj.(cache.DeletedFinalStateUnknown)
	o, _ := obj.(*observation)
	s.mu.Lock()
	defer s.mu.Unlock()
	if gone {
		delete(s.trusted, key)
	}
	if own, is := s.written[key]; is && (missed || (o != nil && !newer(own.observation, o))) {
		delete(s.written, key)
	}
}

// newer says whether a is a later version of an object than b.
func newer(a, b *observation) bool {
	order, err := resourceversion.CompareResourceVersion(a.ResourceVersion, b.ResourceVersion)
	return err == nil && order > 0
}

// Observe returns what is known of the Secret of an identity, without a call.
// The Store's own writes count before the informer shows them.
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
	own, is := s.written[key]
	if is && (!seen.Exists || newer(own.observation, &seen)) && time.Since(own.at) < confirmation {
		return *own.observation
	}
	delete(s.written, key)
	if seen.Edited && s.trusted[key] == seen.ResourceVersion {
		seen.Edited = false
	}
	return seen
}

// Each yields what is known of all Secrets of a source.
func (s *Store) Each(source identity.Source) iter.Seq2[identity.Key, refresh.State] {
	return func(yield func(identity.Key, refresh.State) bool) {
		for _, obj := range s.informers[source].GetStore().List() {
			o, ok := obj.(*observation)
			if !ok {
				continue
			}
			key := identity.Key{Source: source, Namespace: o.namespace, Name: objectName(source, o.name)}
			if key.Name != "" && !yield(key, o.State) {
				return
			}
		}
	}
}

// Remove deletes the Secret of an identity, if it is there and still the one
// that was observed. A Secret that is not ours is never observed.
func (s *Store) Remove(ctx context.Context, key identity.Key) error {
	have := s.observe(key)
	if !have.Exists {
		return nil
	}
	uid := types.UID(have.UID)
	err := s.secrets.Secrets(key.Namespace).Delete(ctx, have.name, metav1.DeleteOptions{
		Preconditions: &metav1.Preconditions{UID: &uid, ResourceVersion: &have.ResourceVersion},
	})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete secret %s/%s: %w", key.Namespace, have.name, err)
	}
	return nil
}

// Forget drops what is remembered of the conflicts of an identity that nobody
// asks for any more.
func (s *Store) Forget(key identity.Key) { s.noteConflict(key, false) }

// Free returns an error if the name of want's Secret was found taken by
// somebody else's and still is. It costs a call only in that case, and spares
// asking STS for credentials that cannot be stored.
func (s *Store) Free(ctx context.Context, want identity.Desired) error {
	s.mu.Lock()
	_, taken := s.conflicts[want.Key]
	s.mu.Unlock()
	if !taken {
		return nil
	}
	_, err := s.live(ctx, want)
	if err == nil || apierrors.IsNotFound(err) {
		s.noteConflict(want.Key, false)
		return nil
	}
	return err
}

// live reads the Secret from the API server; it is an error if it is not ours.
func (s *Store) live(ctx context.Context, want identity.Desired) (*corev1.Secret, error) {
	secret, err := s.secrets.Secrets(want.Namespace).Get(ctx, want.SecretName, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	if !isOurs(want, &secret.ObjectMeta) {
		s.noteConflict(want.Key, true)
		return nil, conflictError(want)
	}
	return secret, nil
}

func (s *Store) noteConflict(key identity.Key, taken bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if taken {
		s.conflicts[key] = struct{}{}
	} else {
		delete(s.conflicts, key)
	}
}

// errNotOurs is what a StepError for a conflict wraps.
var errNotOurs = errors.New("a Secret of this name exists that is not the controller's")

func conflictError(want identity.Desired) error {
	return &identity.StepError{
		Reason: api.SecretConflict,
		Message: fmt.Sprintf("Secret %s/%s exists and is not the controller's: rename or delete it, nothing in it was changed",
			want.Namespace, want.SecretName),
		Err: errNotOurs,
	}
}

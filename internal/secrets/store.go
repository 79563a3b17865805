package secrets

import (
	"context"
	"fmt"
	"iter"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"

	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/refresh"
)

// Client is a client for the Secrets of one namespace.
type Client interface {
	Get(ctx context.Context, name string, opts metav1.GetOptions) (*corev1.Secret, error)
	Create(ctx context.Context, secret *corev1.Secret, opts metav1.CreateOptions) (*corev1.Secret, error)
	Patch(ctx context.Context, name string, kind types.PatchType, patch []byte, opts metav1.PatchOptions, subresources ...string) (*corev1.Secret, error)
	Delete(ctx context.Context, name string, opts metav1.DeleteOptions) error
}

// A Store reads and writes the Secrets of all sources.
type Store struct {
	secrets   func(namespace string) Client
	informers map[identity.Source]cache.SharedIndexInformer

	mu sync.Mutex
	// pending are the writes that the informer has not shown yet.
	pending map[identity.Key]pendingWrite
	// trustedVersions are the resource versions written by the controller after
	// which managedFields still names another manager, because that manager had
	// written the same values. Without this record such a Secret would be restored
	// over and over.
	trustedVersions map[identity.Key]string
	// conflicts are the identities whose Secret's name is taken by a Secret of
	// somebody else.
	conflicts map[identity.Key]struct{}
}

// NewStore returns a Store that writes through the clients that client returns, and reads
// from one informer per source, created with Selector and Transform.
func NewStore[C Client](client func(namespace string) C, informers map[identity.Source]cache.SharedIndexInformer) *Store {
	return &Store{
		secrets:         func(namespace string) Client { return client(namespace) },
		informers:       informers,
		pending:         map[identity.Key]pendingWrite{},
		trustedVersions: map[identity.Key]string{},
		conflicts:       map[identity.Key]struct{}{},
	}
}

// Watch calls changed for the identity of every Secret of source, and again
// whenever a Secret changes or is deleted.
func (s *Store) Watch(source identity.Source, changed func(identity.Key)) error {
	handle := func(obj any, gone bool) {
		name, err := cache.DeletionHandlingObjectToName(obj)
		if err != nil {
			return // the informer's store rejects such objects earlier
		}
		object := objectName(source, name.Name)
		if object == "" {
			return
		}
		key := identity.Key{Source: source, Namespace: name.Namespace, Name: object}
		s.confirmWrite(key, obj, gone)
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

// Each yields the cached states of all Secrets of a source.
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

// Remove deletes the Secret of an identity if it still is the version that was last
// observed. Secrets that do not belong to the controller are never observed.
func (s *Store) Remove(ctx context.Context, key identity.Key) error {
	have := s.observe(key)
	if !have.Exists {
		return nil
	}
	uid := types.UID(have.UID)
	err := s.secrets(key.Namespace).Delete(ctx, have.name, metav1.DeleteOptions{
		Preconditions: &metav1.Preconditions{UID: &uid, ResourceVersion: &have.ResourceVersion},
	})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete secret %s/%s: %w", key.Namespace, have.name, err)
	}
	return nil
}

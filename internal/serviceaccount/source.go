// Package serviceaccount serves ServiceAccounts: what their annotations ask
// for, and the annotation that tells what became of it.
package serviceaccount

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/tools/cache"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// Resource is what the API server serves ServiceAccounts as.
var Resource = corev1.SchemeGroupVersion.WithResource("serviceaccounts")

// Config says what a Source needs to know beside the objects.
type Config struct {
	// ExternalID returns what is presented to STS on behalf of a namespace.
	ExternalID func(namespace string) string
	// SecretName returns the name of a ServiceAccount's Secret.
	SecretName func(name string) string
	// MaxName is the longest name of a ServiceAccount that leaves room for
	// its Secret's name.
	MaxName int
	// IRSAServed says that something else in the cluster reads the annotation
	// eks.amazonaws.com/role-arn.
	IRSAServed bool
	// Lookup reads a ServiceAccount while a pod waits to be admitted. It is
	// a client of its own, so that no burst of writes delays pods. LookupStrange
	// does so for whoever may not be the API server.
	Lookup, LookupStrange metadata.Interface
}

// A Source reads what ServiceAccounts ask for and writes back which role they
// have.
type Source struct {
	client   metadata.Interface
	informer cache.SharedIndexInformer
	config   Config
	// lookups are for the API server, strange for whoever may not be it.
	lookups, strange *lookups
}

// NewSource returns a Source. The informer is one of metadata, made with
// Transform.
func NewSource(client metadata.Interface, informer cache.SharedIndexInformer, config Config) *Source {
	return &Source{
		client: client, informer: informer, config: config,
		lookups: newLookups(config.Lookup, maxLookups, 0),
		strange: newLookups(config.LookupStrange, maxStrange, maxUnheard),
	}
}

// Watch calls changed for every ServiceAccount that asks for something, and
// again whenever one changes or goes away.
func (s *Source) Watch(changed func(identity.Key)) error {
	handle := func(obj any) {
		if !relevant(obj) {
			return
		}
		if name, err := cache.DeletionHandlingObjectToName(obj); err == nil {
			changed(identity.Key{Source: identity.ServiceAccount, Namespace: name.Namespace, Name: name.Name})
		}
	}
	_, err := s.informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: handle,
		UpdateFunc: func(old, cur any) {
			if unchanged(old, cur) {
				return
			}
			if relevant(cur) {
				handle(cur)
			} else {
				handle(old) // it may have asked for something before
			}
		},
		DeleteFunc: handle,
	})
	if err != nil {
		return fmt.Errorf("watch ServiceAccounts: %w", err)
	}
	return nil
}

// unchanged says whether nothing that is read differs. What else somebody writes
// to a ServiceAccount costs nothing.
func unchanged(old, cur any) bool {
	a, ok1 := old.(*account)
	b, ok2 := cur.(*account)
	return ok1 && ok2 && a.uid == b.uid && a.held == b.held && a.leaving == b.leaving && a.hidden == b.hidden &&
		slices.Equal(a.annotations, b.annotations) && slices.Equal(a.unknown, b.unknown)
}

// relevant says whether a cached object asks for something, or may have before
// it went away unseen.
func relevant(obj any) bool {
	switch o := obj.(type) {
	case *account:
		return true
	case cache.DeletedFinalStateUnknown:
		return o.Obj == nil || relevant(o.Obj)
	default:
		return false
	}
}

// Desired returns what a ServiceAccount asks for, nil if nothing. Beside an
// *identity.InvalidError it returns as much as can be read.
func (s *Source) Desired(key identity.Key) (*identity.Desired, error) {
	a := s.cached(key)
	if a == nil || !a.asksNow() {
		return nil, nil //nolint:nilnil // nothing asked for is an answer, not a failure
	}
	want := &identity.Desired{
		Key:        key,
		UID:        a.uid,
		SecretName: s.config.SecretName(key.Name),
		ExternalID: s.config.ExternalID(key.Namespace),
	}
	if len(key.Name) > s.config.MaxName {
		return want, &identity.InvalidError{
			Reason: api.InvalidAnnotation,
			Message: fmt.Sprintf("the name of this ServiceAccount has %d characters: the Secret named after it leaves room for %d, give the ServiceAccount a shorter name",
				len(key.Name), s.config.MaxName),
		}
	}
	if err := read(a.asked(), want); err != nil {
		return want, err
	}
	return want, a.checkDeletionPolicy(want)
}

func (s *Source) cached(key identity.Key) *account {
	obj, exists, err := s.informer.GetStore().GetByKey(key.Namespace + "/" + key.Name)
	if err != nil || !exists {
		return nil
	}
	a, _ := obj.(*account)
	return a
}

// Report writes the ARN of the role that credentials were issued for back to
// the ServiceAccount, if it is not there yet.
func (s *Source) Report(ctx context.Context, want identity.Desired, status identity.Status) error {
	a := s.cached(want.Key)
	if a == nil || a.uid != want.UID || status.RoleARN == "" || a.asked()[api.RoleARNAnnotation] == status.RoleARN {
		return nil
	}
	return s.annotate(ctx, want.Key, want.UID, &status.RoleARN)
}

// annotate sets the role's ARN on the very ServiceAccount that uid names, or
// takes it off where arn is nil.
func (s *Source) annotate(ctx context.Context, key identity.Key, uid string, arn *string) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"uid":         uid,
		"annotations": map[string]any{api.RoleARNAnnotation: arn},
	}})
	if err != nil {
		return fmt.Errorf("render annotation: %w", err)
	}
	_, err = s.client.Resource(Resource).Namespace(key.Namespace).Patch(ctx, key.Name, types.MergePatchType, patch,
		metav1.PatchOptions{FieldManager: fieldManager})
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return fmt.Errorf("annotate ServiceAccount %s/%s: %w", key.Namespace, key.Name, err)
	}
	return nil
}

// Release says whether the API server itself knows of no such ServiceAccount,
// or of one that asks for nothing, so that its Secret may go. What was written
// to the ServiceAccount is taken back.
func (s *Source) Release(ctx context.Context, key identity.Key) (bool, error) {
	meta, err := s.client.Resource(Resource).Namespace(key.Namespace).Get(ctx, key.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return true, nil
	case err != nil:
		return false, fmt.Errorf("read ServiceAccount %s/%s: %w", key.Namespace, key.Name, err)
	case asks(meta.Annotations) && meta.DeletionTimestamp == nil:
		return false, nil
	case meta.DeletionTimestamp != nil:
		return true, nil
	}
	if _, has := meta.Annotations[api.RoleARNAnnotation]; has {
		if err := s.annotate(ctx, key, string(meta.UID), nil); err != nil {
			return false, err
		}
	}
	return true, nil
}

package awsiamrole

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"strings"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// A Source reads what AWSIAMRoles ask for and writes their status.
type Source struct {
	client     *Client
	informer   cache.SharedIndexInformer
	externalID func(namespace string) string
	// pruned says that the cluster's resource definition has no conditions.
	conditionsPruned atomic.Bool
}

// NewSource returns a Source. externalID returns what is presented to STS on
// behalf of a namespace.
func NewSource(client *Client, informer cache.SharedIndexInformer, externalID func(namespace string) string) *Source {
	return &Source{client: client, informer: informer, externalID: externalID}
}

// Watch calls changed for every AWSIAMRole there is, and again whenever one
// changes or goes away.
func (s *Source) Watch(changed func(identity.Key)) error {
	handle := func(obj any) {
		if name, err := cache.DeletionHandlingObjectToName(obj); err == nil {
			changed(identity.Key{Source: identity.AWSIAMRole, Namespace: name.Namespace, Name: name.Name})
		}
	}
	_, err := s.informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: handle,
		UpdateFunc: func(old, cur any) {
			before, was := old.(*AWSIAMRole)
			after, is := cur.(*AWSIAMRole)
			if was && is && sameRequest(before, after) {
				return // status writes are our own
			}
			handle(cur)
		},
		DeleteFunc: handle,
	})
	if err != nil {
		return fmt.Errorf("watch AWSIAMRoles: %w", err)
	}
	return nil
}

// asksTheSame says that nothing is to be done about a change. Labels are copied to
// the Secret, unless they are too many.
func sameRequest(before, after *AWSIAMRole) bool {
	return before.Generation == after.Generation && before.UID == after.UID &&
		before.omittedLabels() == after.omittedLabels() && maps.Equal(before.Labels, after.Labels)
}

// Desired returns what an AWSIAMRole asks for, nil if there is none. Beside an
// *identity.InvalidError it returns as much as can be read.
func (s *Source) Desired(key identity.Key) (*identity.Desired, error) {
	role := s.cached(key)
	if role == nil {
		return nil, nil //nolint:nilnil // no object is an answer, not a failure
	}
	want := &identity.Desired{
		Key:        key,
		UID:        string(role.UID),
		Generation: role.Generation,
		Labels:     role.Labels,
		SecretName: role.Name,
		ExternalID: s.externalID(role.Namespace),
		KeepLabels: role.omittedLabels() != (labelSize{}),
		Notice:     role.omittedLabels().notice(),
	}
	if account, reserved := strings.CutSuffix(role.Name, api.SecretSuffix); reserved {
		return want, &identity.InvalidError{
			Reason: api.SecretConflict,
			Message: fmt.Sprintf("the name %s is reserved for the Secret of a ServiceAccount %s: give the AWSIAMRole one that does not end in %s",
				role.Name, account, api.SecretSuffix),
		}
	}
	if err := parseSpec(&role.Spec, want); err != nil {
		return want, &identity.InvalidError{
			Reason:  api.GetCredentialsFailed,
			Message: fmt.Sprintf("Failed to get credentials for role '%s': %s", identity.Cut(role.Spec.RoleReference), err),
		}
	}
	return want, nil
}

func parseSpec(spec *Spec, want *identity.Desired) (err error) {
	if want.Role, err = identity.ReadRole(spec.RoleReference); err != nil {
		return fmt.Errorf("spec.roleReference: %w", err)
	}
	want.SessionDuration = identity.DefaultSession
	if spec.RoleSessionDuration > 0 { // as the predecessor read it
		want.SessionDuration = time.Duration(min(spec.RoleSessionDuration, 1<<32)) * time.Second
	}
	if err = identity.CheckSessionDuration(want.SessionDuration); err != nil {
		return fmt.Errorf("spec.roleSessionDuration: %w", err)
	}
	return nil
}

func (s *Source) cached(key identity.Key) *AWSIAMRole {
	obj, exists, err := s.informer.GetStore().GetByKey(key.Namespace + "/" + key.Name)
	if err != nil || !exists {
		return nil
	}
	role, _ := obj.(*AWSIAMRole)
	return role
}

// Release says whether the API server itself knows of no such AWSIAMRole, so
// that its Secret may go.
func (s *Source) Release(ctx context.Context, key identity.Key) (bool, error) {
	_, err := s.client.Namespace(key.Namespace).Get(ctx, key.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return true, nil
	case err != nil:
		return false, fmt.Errorf("read AWSIAMRole %s/%s: %w", key.Namespace, key.Name, err)
	default:
		return false, nil
	}
}

// Keys yields every AWSIAMRole.
func (s *Source) Keys() iter.Seq[identity.Key] {
	return func(yield func(identity.Key) bool) {
		for _, obj := range s.informer.GetStore().List() {
			if role, ok := obj.(*AWSIAMRole); ok &&
				!yield(identity.Key{Source: identity.AWSIAMRole, Namespace: role.Namespace, Name: role.Name}) {
				return
			}
		}
	}
}

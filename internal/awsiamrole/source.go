package awsiamrole

import (
	"context"
	"errors"
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

// A Source reads what AWSIAMRoles request and writes their status.
type Source struct {
	client     *Client
	informer   cache.SharedIndexInformer
	externalID func(namespace string) string
	// conditionsPruned reports that the installed CRD drops conditions, as the
	// predecessor's does.
	conditionsPruned atomic.Bool
}

// NewSource returns a Source. The informer is one with Transform; externalID
// returns the external ID for a namespace.
func NewSource(client *Client, informer cache.SharedIndexInformer, externalID func(namespace string) string) *Source {
	return &Source{client: client, informer: informer, externalID: externalID}
}

// Watch calls changed for every AWSIAMRole, and again whenever one changes or is
// deleted.
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
				return // such as the controller's own status updates
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

// sameRequest reports whether both versions request the same. Labels count, because
// they are copied to the Secret.
func sameRequest(before, after *AWSIAMRole) bool {
	return before.Generation == after.Generation && before.UID == after.UID &&
		before.omittedLabels() == after.omittedLabels() && maps.Equal(before.Labels, after.Labels)
}

// Desired returns what an AWSIAMRole requests, nil if it does not exist. Together
// with an *identity.InvalidError it returns as much as could be parsed.
func (s *Source) Desired(_ context.Context, key identity.Key) (*identity.Desired, error) {
	role := s.cached(key)
	if role == nil {
		return nil, nil //nolint:nilnil // no object is an answer, not a failure
	}
	return Read(role, s.externalID(role.Namespace))
}

// Read returns what an AWSIAMRole requests under an external ID. Together with an
// *identity.InvalidError it returns as much as could be parsed.
func Read(role *AWSIAMRole, externalID string) (*identity.Desired, error) {
	want := &identity.Desired{
		Key:        identity.Key{Source: identity.AWSIAMRole, Namespace: role.Namespace, Name: role.Name},
		UID:        string(role.UID),
		Generation: role.Generation,
		Labels:     role.Labels,
		SecretName: role.Name,
		ExternalID: externalID,
		KeepLabels: role.omittedLabels() != (labelSize{}),
		Notice:     role.omittedLabels().notice(),
	}
	if serviceAccount, reserved := strings.CutSuffix(role.Name, api.SecretSuffix); reserved {
		return want, &identity.InvalidError{
			Reason: api.SecretConflict,
			Message: fmt.Sprintf("the name %s is reserved for the Secret of a ServiceAccount %s: give the AWSIAMRole one that does not end in %s",
				role.Name, serviceAccount, api.SecretSuffix),
		}
	}
	if err := role.parse(want); err != nil {
		return want, &identity.InvalidError{
			Reason:  api.GetCredentialsFailed,
			Message: fmt.Sprintf("Failed to get credentials for role '%s': %s", identity.Cut(role.Spec.RoleReference), err),
		}
	}
	return want, nil
}

func (r *AWSIAMRole) parse(want *identity.Desired) (err error) {
	spec := &r.Spec
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
	if want.SessionPolicy, err = r.sessionPolicy(); err != nil {
		return fmt.Errorf("spec.sessionPolicy: %w", err)
	}
	return nil
}

// sessionPolicy returns the session policy as compact JSON, "" for none.
func (r *AWSIAMRole) sessionPolicy() (string, error) {
	switch {
	case r.omitted != nil && r.omitted.policyProblem != "":
		return "", errors.New(r.omitted.policyProblem)
	case r.Spec.SessionPolicy == nil:
		return "", nil
	}
	return parseSessionPolicy(*r.Spec.SessionPolicy)
}

func (s *Source) cached(key identity.Key) *AWSIAMRole {
	obj, exists, err := s.informer.GetStore().GetByKey(key.Namespace + "/" + key.Name)
	if err != nil || !exists {
		return nil
	}
	role, _ := obj.(*AWSIAMRole)
	return role
}

// Release reports whether, according to the API server, the AWSIAMRole does not
// exist, so that its Secret may be deleted.
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

// Keys yields every AWSIAMRole, from the cache.
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

package secrets

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/refresh"
)

// maxTries bounds how often one Apply starts over because somebody else wrote
// at the same time. What is left after that is the back-off's.
const maxTries = 4

// Apply makes the Secret of want hold creds: one call for a Secret that is as
// it was observed. A Secret that is not ours stays as it is and is reported as
// an identity.StepError, as are all other failures. The new state is returned
// as the API server answered it, and whether the Secret was created.
func (s *Store) Apply(ctx context.Context, want identity.Desired, creds identity.Credentials) (refresh.State, bool, error) {
	w, err := newWriter(s, want, creds)
	if err != nil {
		return refresh.State{}, false, err
	}
	have := s.observe(want.Key)
	step := w.create
	if have.Exists {
		step = func(ctx context.Context) (*corev1.Secret, error) { return w.patch(ctx, &have) }
	}
	for try := 1; ; try++ {
		secret, err := step(ctx)
		if err == nil {
			return s.remember(want.Key, &secret.ObjectMeta), w.created, nil
		}
		next := w.afterwards(err)
		if next == nil || try == maxTries {
			return refresh.State{}, false, w.explain(err)
		}
		step = next
	}
}

// remember keeps an own write until the informer shows it.
func (s *Store) remember(key identity.Key, meta *metav1.ObjectMeta) refresh.State {
	o := observe(key.Source, meta)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.trusted, key)
	if o.Edited {
		s.trusted[key], o.Edited = o.ResourceVersion, false
	}
	s.written[key] = ownWrite{observation: o, at: time.Now()}
	delete(s.conflicts, key)
	return o.State
}

// writer writes one Secret once.
type writer struct {
	*Store

	want  identity.Desired
	creds identity.Credentials
	data  map[string][]byte
	notes map[string]string
	// creating and created tell which way the Secret was written, and patched
	// which version of it a patch was sent for.
	creating, created bool
	patched           string
}

func newWriter(s *Store, want identity.Desired, creds identity.Credentials) (*writer, error) {
	data, err := render(want, creds)
	return &writer{Store: s, want: want, creds: creds, data: data, notes: annotations(want, creds)}, err
}

// create fails rather than write to a Secret that it did not make.
func (w *writer) create(ctx context.Context) (*corev1.Secret, error) {
	w.creating = true
	if w.want.Source == identity.ServiceAccount && w.data[api.AuthorizationTokenKey] == nil {
		w.data[api.AuthorizationTokenKey] = newToken()
	}
	version, kind := ownerKind(w.want.Source)
	secret, err := w.secrets.Secrets(w.want.Namespace).Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name:            w.want.SecretName,
			Namespace:       w.want.Namespace,
			Labels:          secretLabels(w.want),
			Annotations:     w.notes,
			OwnerReferences: []metav1.OwnerReference{{APIVersion: version, Kind: kind, Name: w.want.Name, UID: types.UID(w.want.UID)}},
		},
		Type: corev1.SecretTypeOpaque,
		Data: w.data,
	}, metav1.CreateOptions{FieldManager: api.ControllerName})
	w.created = err == nil
	return secret, err
}

// patch writes to the Secret that was observed, and to no other.
func (w *writer) patch(ctx context.Context, have *observation) (*corev1.Secret, error) {
	w.creating = false
	if have.Edited {
		return w.adopt(ctx)
	}
	return w.send(ctx, have, w.want.Source == identity.AWSIAMRole)
}

// adopt takes over a Secret that is ours but not as it was observed, or not as
// we left it. It is replaced as a whole, so that nothing foreign stays.
func (w *writer) adopt(ctx context.Context) (*corev1.Secret, error) {
	w.creating = false
	secret, err := w.live(ctx, w.want)
	if err != nil {
		return nil, err
	}
	w.keepToken(secret)
	return w.send(ctx, observe(w.want.Source, &secret.ObjectMeta), true)
}

// keepToken takes over the token of a Secret: pods hold it for as long as they
// live.
func (w *writer) keepToken(secret *corev1.Secret) {
	if w.want.Source != identity.ServiceAccount {
		return
	}
	w.data[api.AuthorizationTokenKey] = newToken()
	if token := secret.Data[api.AuthorizationTokenKey]; wellFormedToken.Match(token) {
		w.data[api.AuthorizationTokenKey] = token
	}
}

func (w *writer) send(ctx context.Context, have *observation, whole bool) (*corev1.Secret, error) {
	body, err := json.Marshal(operations(w.want, have, w.data, w.notes, whole))
	if err != nil {
		return nil, fmt.Errorf("render patch: %w", err)
	}
	w.patched = have.ResourceVersion
	return w.secrets.Secrets(w.want.Namespace).Patch(ctx, w.want.SecretName, types.JSONPatchType, body,
		metav1.PatchOptions{FieldManager: api.ControllerName})
}

// replace deletes a Secret that somebody made immutable, which nothing else
// can undo, and creates it anew. A patch may also have been invalid because it
// was made for what is no longer so: that is the case for adopt.
func (w *writer) replace(ctx context.Context, refused error) (*corev1.Secret, error) {
	secret, err := w.live(ctx, w.want)
	if err != nil {
		return nil, err
	}
	if secret.ResourceVersion != w.patched {
		return w.adopt(ctx)
	}
	if secret.Immutable == nil || !*secret.Immutable {
		return nil, w.explain(refused) // trying again would change nothing
	}
	w.keepToken(secret)
	err = w.secrets.Secrets(w.want.Namespace).Delete(ctx, w.want.SecretName, metav1.DeleteOptions{
		Preconditions: &metav1.Preconditions{UID: &secret.UID, ResourceVersion: &secret.ResourceVersion},
	})
	if err != nil && !apierrors.IsNotFound(err) {
		return nil, err
	}
	return w.create(ctx)
}

// afterwards returns what to do about an error, nil if nothing.
func (w *writer) afterwards(err error) func(context.Context) (*corev1.Secret, error) {
	switch {
	case apierrors.IsAlreadyExists(err), apierrors.IsConflict(err):
		return w.adopt
	case apierrors.IsNotFound(err) && !w.creating:
		return w.create
	case apierrors.IsInvalid(err) && !w.creating:
		return func(ctx context.Context) (*corev1.Secret, error) { return w.replace(ctx, err) }
	default:
		return nil
	}
}

// explain says which step failed, in the predecessor's words, with nothing in
// it that is secret: an API server, or a webhook it asks, may quote what it
// was sent.
func (w *writer) explain(err error) error {
	if _, ok := errors.AsType[*identity.StepError](err); ok {
		return err
	}
	verb, reason := "update", api.UpdateSecretFailed
	if w.creating {
		verb, reason = "create", api.CreateSecretFailed
	}
	text := w.scrub(err.Error())
	return &identity.StepError{
		Reason:  reason,
		Message: fmt.Sprintf("Failed to %s secret %s/%s with credentials: %s", verb, w.want.Namespace, w.want.SecretName, text),
		Err:     errors.New(text),
	}
}

// scrub takes out of a text whatever it quotes of the credentials.
func (w *writer) scrub(text string) string {
	secret := []string{w.creds.AccessKeyID.Reveal(), w.creds.SecretAccessKey.Reveal(), w.creds.SessionToken.Reveal(), string(w.data[api.AuthorizationTokenKey])}
	for _, key := range []string{api.CredentialsKey, api.CredentialsJSONKey, api.AuthorizationTokenKey} {
		secret = append(secret, base64.StdEncoding.EncodeToString(w.data[key]))
	}
	return redact(text, secret)
}

package secrets

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/client-go/applyconfigurations"
	"k8s.io/client-go/kubernetes/scheme"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
)

// request is a request to the API server.
type request struct {
	verb, name, manager string
	body                string
}

// apiServer implements the part of the Secrets API that this package uses. The fake
// clientset does not suffice: it compares neither resource versions nor UIDs of
// patches and preconditions, does not know immutable Secrets, and records actions,
// whereas these tests need the bytes of patches. Patches and managedFields are
// handled by the libraries of the real API server.
type apiServer struct {
	t      testing.TB
	fields *managedfields.FieldManager

	mu       sync.Mutex
	version  int
	secrets  map[string]*corev1.Secret
	requests []request
	// beforeRequest holds, by verb, what happens before a request of that verb is
	// handled. An error is the response.
	beforeRequest map[string][]func(request) error
}

func newAPIServer(tb testing.TB) *apiServer {
	tb.Helper()
	gvk := corev1.SchemeGroupVersion.WithKind("Secret")
	fields, err := managedfields.NewDefaultFieldManager(applyconfigurations.NewTypeConverter(scheme.Scheme),
		scheme.Scheme, scheme.Scheme, scheme.Scheme, gvk, gvk.GroupVersion(), "", nil)
	require.NoError(tb, err)
	return &apiServer{
		t: tb, fields: fields, secrets: map[string]*corev1.Secret{}, beforeRequest: map[string][]func(request) error{},
	}
}

// RoundTrip answers without a socket, so that tests can use synctest.
func (s *apiServer) RoundTrip(r *http.Request) (*http.Response, error) {
	secret, err := s.serve(r)
	if ended := r.Context().Err(); ended != nil {
		return nil, ended
	}
	return response(s.t, secret, err), nil
}

func (s *apiServer) client(namespace string) Client {
	client, err := corev1client.NewForConfigAndClient(
		&rest.Config{Host: "http://kubernetes", QPS: -1, ContentConfig: rest.ContentConfig{ContentType: "application/json"}},
		&http.Client{Transport: s})
	require.NoError(s.t, err)
	return client.Secrets(namespace)
}

// next schedules functions that run before the next requests of a verb, one per
// request.
func (s *apiServer) next(verb string, happens ...func(request) error) {
	s.beforeRequest[verb] = append(s.beforeRequest[verb], happens...)
}

// verbs returns the verbs of all requests, in order.
func (s *apiServer) verbs() []string {
	verbs := []string{}
	for _, r := range s.requests {
		verbs = append(verbs, r.verb)
	}
	return verbs
}

// write updates, or creates, a Secret in the namespace "ns" on behalf of another
// client.
func (s *apiServer) write(manager, name string, change func(*corev1.Secret)) *corev1.Secret {
	s.mu.Lock()
	defer s.mu.Unlock()
	have, exists := s.secrets["ns/"+name]
	if !exists {
		have = &corev1.Secret{}
	}
	secret := have.DeepCopy()
	secret.Namespace, secret.Name = "ns", name
	change(secret)
	return s.store(manager, have, secret)
}

func (s *apiServer) get(namespace, name string) *corev1.Secret {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.secrets[namespace+"/"+name].DeepCopy()
}

// remove deletes a Secret in the namespace "ns" on behalf of another client.
func (s *apiServer) remove(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.secrets, "ns/"+name)
	s.version++
}

func (s *apiServer) store(manager string, have, secret *corev1.Secret) *corev1.Secret {
	typed := corev1.SchemeGroupVersion.WithKind("Secret")
	have, secret = have.DeepCopy(), secret.DeepCopy()
	have.SetGroupVersionKind(typed)
	secret.SetGroupVersionKind(typed)
	out, err := s.fields.Update(have, secret, manager)
	require.NoError(s.t, err)
	stored, ok := out.(*corev1.Secret)
	require.True(s.t, ok)
	s.version++
	if stored.UID == "" {
		stored.UID = types.UID("uid-" + strconv.Itoa(s.version))
	}
	stored.ResourceVersion = strconv.Itoa(s.version)
	s.secrets[stored.Namespace+"/"+stored.Name] = stored
	return stored.DeepCopy()
}

func (s *apiServer) serve(r *http.Request) (*corev1.Secret, error) {
	body := []byte{}
	if r.Body != nil {
		var err error
		body, err = io.ReadAll(r.Body)
		require.NoError(s.t, err)
	}
	// /api/v1/namespaces/NAMESPACE/secrets[/NAME]
	path := strings.Split(strings.TrimPrefix(r.URL.Path, "/api/v1/namespaces/"), "/")
	asked := request{verb: r.Method, manager: r.URL.Query().Get("fieldManager"), body: string(body)}
	if len(path) == 3 {
		asked.name = path[2]
	}
	s.requests = append(s.requests, asked)
	if todo := s.beforeRequest[asked.verb]; len(todo) > 0 {
		s.beforeRequest[asked.verb] = todo[1:]
		if err := todo[0](asked); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.answer(asked, path[0], r.Header.Get("Content-Type"))
}

var (
	secretsResource = corev1.Resource("secrets")
	secretKind      = corev1.SchemeGroupVersion.WithKind("Secret").GroupKind()
)

func (s *apiServer) answer(asked request, namespace, contentType string) (*corev1.Secret, error) {
	if asked.verb == http.MethodPost {
		secret := &corev1.Secret{}
		require.NoError(s.t, runtime.DecodeInto(scheme.Codecs.UniversalDeserializer(), []byte(asked.body), secret))
		if s.secrets[namespace+"/"+secret.Name] != nil {
			return nil, apierrors.NewAlreadyExists(secretsResource, secret.Name)
		}
		return s.store(asked.manager, &corev1.Secret{}, secret), nil
	}
	have := s.secrets[namespace+"/"+asked.name]
	if have == nil {
		return nil, apierrors.NewNotFound(secretsResource, asked.name)
	}
	switch asked.verb {
	case http.MethodGet:
		return have, nil
	case http.MethodPatch:
		require.Equal(s.t, string(types.JSONPatchType), contentType)
		return s.patch(asked, have)
	case http.MethodDelete:
		return have, s.delete(asked, have)
	default:
		return nil, apierrors.NewMethodNotSupported(secretsResource, asked.verb)
	}
}

func (s *apiServer) patch(asked request, have *corev1.Secret) (*corev1.Secret, error) {
	before, err := json.Marshal(have)
	require.NoError(s.t, err)
	patch, err := jsonpatch.DecodePatch([]byte(asked.body))
	require.NoError(s.t, err)
	after, err := patch.Apply(before)
	if err != nil {
		return nil, apierrors.NewGenericServerResponse(http.StatusUnprocessableEntity, "", secretsResource, asked.name, err.Error(), 0, false)
	}
	secret := &corev1.Secret{}
	require.NoError(s.t, json.Unmarshal(after, secret))
	switch {
	case secret.ResourceVersion != have.ResourceVersion, secret.UID != have.UID:
		return nil, apierrors.NewConflict(secretsResource, asked.name, nil)
	case have.Immutable != nil && *have.Immutable && !reflect.DeepEqual(have.Data, secret.Data):
		return nil, apierrors.NewInvalid(secretKind, asked.name, nil)
	}
	return s.store(asked.manager, have, secret), nil
}

func (s *apiServer) delete(asked request, have *corev1.Secret) error {
	var opts metav1.DeleteOptions
	require.NoError(s.t, json.Unmarshal([]byte(asked.body), &opts))
	if p := opts.Preconditions; p != nil {
		if p.UID != nil && *p.UID != have.UID || p.ResourceVersion != nil && *p.ResourceVersion != have.ResourceVersion {
			return apierrors.NewConflict(secretsResource, asked.name, nil)
		}
	}
	delete(s.secrets, have.Namespace+"/"+have.Name)
	s.version++
	return nil
}

func response(tb testing.TB, secret *corev1.Secret, err error) *http.Response {
	tb.Helper()
	w, answer := httptest.NewRecorder(), any(nil)
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		refused := apierrors.APIStatus(nil)
		require.ErrorAs(tb, err, &refused)
		status := refused.Status()
		status.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}
		answer = status
		w.WriteHeader(int(status.Code))
	} else {
		typed := secret.DeepCopy()
		typed.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}
		answer = typed
	}
	require.NoError(tb, json.NewEncoder(w).Encode(answer))
	return w.Result()
}

package awsiamrole

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// informer is a shared informer with a store that the test fills.
type informer struct {
	cache.SharedIndexInformer

	store    cache.Store
	handlers []cache.ResourceEventHandler
}

func (i *informer) GetStore() cache.Store { return i.store }

func (i *informer) AddEventHandler(h cache.ResourceEventHandler) (cache.ResourceEventHandlerRegistration, error) {
	i.handlers = append(i.handlers, h)
	return nil, nil //nolint:nilnil // the registration is not used
}

// server answers every request with one status and one object, and records the
// requests.
type server struct {
	mu     sync.Mutex
	status int
	object any
	bodies []string
	paths  []string
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	s.bodies = append(s.bodies, string(body))
	s.paths = append(s.paths, r.Method+" "+r.URL.Path)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(s.status)
	_ = json.NewEncoder(w).Encode(s.object)
}

func (s *server) answer(status int, object any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status, s.object = status, object
}

func failure(code int, reason metav1.StatusReason) metav1.Status {
	return metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusFailure, Code: int32(code), Reason: reason, Message: "because",
	}
}

var key = identity.Key{Source: identity.AWSIAMRole, Namespace: "ns", Name: "app"}

func newRole(spec Spec) *AWSIAMRole {
	return &AWSIAMRole{
		TypeMeta:   metav1.TypeMeta{APIVersion: "zalando.org/v1", Kind: "AWSIAMRole"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "app", UID: "u1", Generation: 3, Labels: map[string]string{"team": "a"}},
		Spec:       spec,
	}
}

func newSource(t *testing.T) (*Source, *informer, *server) {
	t.Helper()
	s := &server{status: http.StatusOK}
	apiServer := httptest.NewServer(s)
	t.Cleanup(apiServer.Close)
	client, err := NewClient(&rest.Config{Host: apiServer.URL})
	require.NoError(t, err)
	i := &informer{store: cache.NewStore(cache.DeletionHandlingMetaNamespaceKeyFunc)}
	return NewSource(client, i, func(namespace string) string { return namespace + "/cluster" }), i, s
}

func TestTransformKeepsOnlyWhatIsRead(t *testing.T) {
	role := newRole(Spec{RoleReference: "app"})
	role.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "kubectl"}}
	role.Annotations = map[string]string{"kubectl.kubernetes.io/last-applied-configuration": "{}"}
	obj, err := Transform(role)
	require.NoError(t, err)
	kept, ok := obj.(*AWSIAMRole)
	require.True(t, ok)
	assert.Nil(t, kept.ManagedFields)
	assert.Nil(t, kept.Annotations)
	assert.Equal(t, "a", kept.Labels["team"])
	obj, err = Transform("something else")
	require.NoError(t, err)
	assert.Equal(t, "something else", obj)
}

func TestDesired(t *testing.T) {
	s, i, _ := newSource(t)
	want, err := s.Desired(t.Context(), key)
	require.NoError(t, err)
	assert.Nil(t, want)

	for name, test := range map[string]struct {
		seconds int64
		session time.Duration
	}{"none": {0, time.Hour}, "negative, as the predecessor read it": {-5, time.Hour}, "given": {1800, 30 * time.Minute}} {
		require.NoError(t, i.store.Add(newRole(Spec{RoleReference: "path/app", RoleSessionDuration: test.seconds})))
		want, err = s.Desired(t.Context(), key)
		require.NoError(t, err)
		role, err := identity.ParseRole("path/app")
		require.NoError(t, err)
		assert.Equal(t, &identity.Desired{
			Key: key, UID: "u1", Generation: 3, Labels: map[string]string{"team": "a"}, SecretName: "app", ExternalID: "ns/cluster",
			Role: role, SessionDuration: test.session,
		}, want, name)
	}
}

const readOnly = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}`

func TestSessionPolicyIsRequested(t *testing.T) {
	s, i, _ := newSource(t)
	for text, want := range map[string]string{readOnly: readOnly, "\n" + strings.ReplaceAll(readOnly, ",", ",\n  "): readOnly} {
		for _, role := range []*AWSIAMRole{
			newRole(Spec{RoleReference: "app", SessionPolicy: new(text)}),
			transformed(t, newRole(Spec{RoleReference: "app", SessionPolicy: new(text)})),
		} {
			require.NoError(t, i.store.Add(role))
			got, err := s.Desired(t.Context(), key)
			require.NoError(t, err)
			assert.Equal(t, want, got.SessionPolicy)
		}
	}
}

func TestRoleReferenceIsTrimmed(t *testing.T) {
	s, i, _ := newSource(t)
	for _, reference := range []string{"path/app", "/path/app", " path/app\n", "\u00a0/path/app\r\n"} {
		require.NoError(t, i.store.Add(newRole(Spec{RoleReference: reference})))
		want, err := s.Desired(t.Context(), key)
		require.NoError(t, err)
		assert.Equal(t, "path/app", want.Role.String())
	}
}

func TestInvalidSpecs(t *testing.T) {
	for name, test := range map[string]struct {
		spec Spec
		says string
	}{
		"empty":                            {Spec{}, "Failed to get credentials for role '': spec.roleReference: "},
		"a user":                           {Spec{RoleReference: "arn:aws:iam::123456789012:user/x"}, "Failed to get credentials for role 'arn:aws:iam::123456789012:user/x': spec.roleReference: "},
		"huge":                             {Spec{RoleReference: strings.Repeat("x", 300_000)}, "spec.roleReference: "},
		"short session":                    {Spec{RoleReference: "app", RoleSessionDuration: 899}, "spec.roleSessionDuration: "},
		"long session":                     {Spec{RoleReference: "app", RoleSessionDuration: 1 << 62}, "spec.roleSessionDuration: "},
		"a session policy that is no JSON": {Spec{RoleReference: "app", SessionPolicy: new("read-only")}, `spec.sessionPolicy: "read-only" is not JSON`},
		"an empty session policy":          {Spec{RoleReference: "app", SessionPolicy: new("")}, `spec.sessionPolicy: it is empty: give a policy, or leave the field out for no limit`},
		"a session policy with variables":  {Spec{RoleReference: "app", SessionPolicy: new(strings.Replace(readOnly, `"*"`, `"arn:aws:s3:::bucket/$(namespace)/*"`, 1))}, `spec.sessionPolicy: it has variables, such as $(namespace), which are for ServiceAccounts alone and are not expanded here: write the values themselves`},
		"a session policy of spaces":       {Spec{RoleReference: "app", SessionPolicy: new("  ")}, `spec.sessionPolicy: it is empty: give a policy`},
		"a session policy with principals": {Spec{RoleReference: "app", SessionPolicy: new(strings.Replace(readOnly, `"Effect"`, `"Principal":"*","Effect"`, 1))}, "spec.sessionPolicy: statement 1 has a Principal: remove it"},
		// As many nanoseconds as an hour has, in 64 bits.
		"overflowing session": {Spec{RoleReference: "app", RoleSessionDuration: 1<<55 + 3600}, "spec.roleSessionDuration: "},
	} {
		t.Run(name, func(t *testing.T) {
			s, i, _ := newSource(t)
			require.NoError(t, i.store.Add(newRole(test.spec)))
			want, err := s.Desired(t.Context(), key)
			var invalid *identity.InvalidError
			require.ErrorAs(t, err, &invalid)
			assert.Equal(t, api.GetCredentialsFailed, invalid.Reason)
			assert.Contains(t, invalid.Message, test.says)
			assert.Less(t, len(invalid.Message), 1024)
			require.NotNil(t, want)
			assert.Equal(t, "app", want.SecretName)
		})
	}
}

func TestWatchHandlesMissedEvents(t *testing.T) {
	s, i, _ := newSource(t)
	var changed []identity.Key
	require.NoError(t, s.Watch(func(k identity.Key) { changed = append(changed, k) }))
	h := i.handlers[0]
	role, edited, status, recreated := newRole(Spec{}), newRole(Spec{}), newRole(Spec{}), newRole(Spec{})
	edited.Generation, status.Status.RoleARN, recreated.UID = 4, "arn:x", "u2"

	for name, test := range map[string]struct {
		happens func()
		told    bool
	}{
		"added":                    {func() { h.OnAdd(role, false) }, true},
		"edited":                   {func() { h.OnUpdate(role, edited) }, true},
		"recreated":                {func() { h.OnUpdate(role, recreated) }, true},
		"our own status":           {func() { h.OnUpdate(role, status) }, false},
		"deleted":                  {func() { h.OnDelete(role) }, true},
		"deleted unseen":           {func() { h.OnDelete(cache.DeletedFinalStateUnknown{Key: "ns/app", Obj: role}) }, true},
		"deleted unseen, unknown":  {func() { h.OnDelete(cache.DeletedFinalStateUnknown{Key: "ns/app"}) }, true},
		"deleted unseen, nonsense": {func() { h.OnDelete(cache.DeletedFinalStateUnknown{Key: "a/b/c"}) }, false},
		"something else":           {func() { h.OnAdd("nonsense", false) }, false},
		"nothing at all":           {func() { h.OnDelete(nil) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			changed = nil
			test.happens()
			if test.told {
				assert.Equal(t, []identity.Key{key}, changed)
			} else {
				assert.Empty(t, changed)
			}
		})
	}
}

func TestReleaseNeedsPositiveEvidence(t *testing.T) {
	s, _, apiServer := newSource(t)
	apiServer.answer(http.StatusNotFound, failure(http.StatusNotFound, metav1.StatusReasonNotFound))
	released, err := s.Release(t.Context(), key)
	require.NoError(t, err)
	assert.True(t, released)
	apiServer.answer(http.StatusOK, newRole(Spec{RoleReference: "app"}))
	released, err = s.Release(t.Context(), key)
	require.NoError(t, err)
	assert.False(t, released)
	apiServer.answer(http.StatusForbidden, failure(http.StatusForbidden, metav1.StatusReasonForbidden))
	released, err = s.Release(t.Context(), key)
	require.ErrorContains(t, err, "read AWSIAMRole ns/app: ")
	assert.False(t, released)
}

func TestReportWritesAChangedStatus(t *testing.T) {
	s, i, apiServer := newSource(t)
	role := newRole(Spec{RoleReference: "app"})
	require.NoError(t, i.store.Add(role))
	want := identity.Desired{Key: key, UID: "u1", Generation: 3}
	expiration := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	status := identity.Status{
		RoleARN: "arn:x", Expiration: expiration, Generation: 3, Ready: true, Reason: api.CredentialsIssued, Message: "fine",
	}
	written := newRole(Spec{})
	written.Status.Conditions = []metav1.Condition{{Type: api.ReadyCondition}}
	apiServer.answer(http.StatusOK, written)
	require.NoError(t, s.Report(t.Context(), want, status))
	require.Len(t, apiServer.bodies, 1)
	assert.Equal(t, "PATCH /apis/zalando.org/v1/namespaces/ns/awsiamroles/app/status", apiServer.paths[0])
	assert.Regexp(t, `^\{"metadata":\{"uid":"u1"\},"status":\{"conditions":\[\{"type":"Ready","status":"True","observedGeneration":3,"lastTransitionTime":"[^"]+",`+
		`"reason":"CredentialsIssued","message":"fine"\}\],"expiration":"2030-01-02T03:04:05Z","observedGeneration":3,"roleARN":"arn:x"\}\}$`, apiServer.bodies[0])

	role.Status = nextStatus(&role.Status, status)
	require.NoError(t, s.Report(t.Context(), want, status))
	assert.Len(t, apiServer.bodies, 1, "it says so already")

	status.Ready, status.RoleARN, status.Expiration, status.Reason = false, "", time.Time{}, api.GetCredentialsFailed
	require.NoError(t, s.Report(t.Context(), want, status))
	require.Len(t, apiServer.bodies, 2)
	assert.Contains(t, apiServer.bodies[1], `"status":"False"`)
	assert.Contains(t, apiServer.bodies[1], `"expiration":null`)
	assert.Contains(t, apiServer.bodies[1], `"roleARN":null`)

	require.NoError(t, s.Report(t.Context(), identity.Desired{Key: key, UID: "u0"}, status), "another one")
	assert.Len(t, apiServer.bodies, 2)
	for _, gone := range []int{http.StatusNotFound, http.StatusConflict} {
		reason := map[int]metav1.StatusReason{http.StatusNotFound: metav1.StatusReasonNotFound, http.StatusConflict: metav1.StatusReasonConflict}[gone]
		apiServer.answer(gone, failure(gone, reason))
		require.NoError(t, s.Report(t.Context(), want, status))
	}
	apiServer.answer(http.StatusInternalServerError, failure(http.StatusInternalServerError, metav1.StatusReasonInternalError))
	require.ErrorContains(t, s.Report(t.Context(), want, status), "write status of AWSIAMRole ns/app: ")
}

func TestReservedNameIsInvalid(t *testing.T) {
	s, i, _ := newSource(t)
	role := newRole(Spec{RoleReference: "app"})
	role.Name = "app.aws-iam"
	require.NoError(t, i.store.Add(role))
	want, err := s.Desired(t.Context(), identity.Key{Source: identity.AWSIAMRole, Namespace: "ns", Name: role.Name})
	require.ErrorContains(t, err, "the name app.aws-iam is reserved for the Secret of a ServiceAccount app")
	invalid, is := errors.AsType[*identity.InvalidError](err)
	require.True(t, is)
	assert.Equal(t, api.SecretConflict, invalid.Reason)
	assert.Equal(t, "u1", want.UID)
}

func TestReportWithACRDWithoutConditions(t *testing.T) {
	s, i, apiServer := newSource(t)
	role := newRole(Spec{RoleReference: "app"})
	require.NoError(t, i.store.Add(role))
	want := identity.Desired{Key: key, UID: "u1", Generation: 3}
	status := identity.Status{Generation: 3, Reason: api.GetCredentialsFailed, Message: "no"}
	apiServer.answer(http.StatusOK, newRole(Spec{})) // the predecessor's resource definition drops conditions
	require.NoError(t, s.Report(t.Context(), want, status))
	role.Status = Status{ObservedGeneration: new(int64(3))}
	require.NoError(t, s.Report(t.Context(), want, status))
	assert.Len(t, apiServer.bodies, 1)

	// The resource definition is replaced under a controller that runs.
	upgraded := newRole(Spec{})
	upgraded.Status.Conditions = []metav1.Condition{{Type: api.ReadyCondition}}
	apiServer.answer(http.StatusOK, upgraded)
	status.RoleARN = "arn:x"
	require.NoError(t, s.Report(t.Context(), want, status))
	require.Len(t, apiServer.bodies, 2)
	assert.Contains(t, apiServer.bodies[1], `"type":"Ready"`)
	require.NoError(t, s.Report(t.Context(), want, status))
	assert.Len(t, apiServer.bodies, 3, "conditions count again")
}

func TestUndecodableStatusBecomesEmpty(t *testing.T) {
	var list List
	require.NoError(t, json.Unmarshal([]byte(`{"items":[
		{"metadata":{"name":"a"},"spec":{"roleReference":"app"},"status":{"expiration":"soon"}},
		{"metadata":{"name":"b"},"spec":{"roleReference":"app"},"status":{"conditions":[{"lastTransitionTime":"2026-01-01t00:00:00z"}]}},
		{"metadata":{"name":"c"},"spec":{"roleReference":"app"},"status":"odd"},
		{"metadata":{"name":"d"},"spec":{"roleReference":"app"},"status":{"roleARN":"arn:x","observedGeneration":3,"expiration":"2030-01-02T03:04:05Z"}}]}`), &list))
	require.Len(t, list.Items, 4)
	for _, role := range list.Items[:3] {
		assert.Equal(t, "app", role.Spec.RoleReference)
		assert.Equal(t, Status{}, role.Status)
	}
	assert.Equal(t, "arn:x", list.Items[3].Status.RoleARN)
	assert.Equal(t, int64(3), *list.Items[3].Status.ObservedGeneration)
}

func TestTransitionTimeChangesWithTheStatusOnly(t *testing.T) {
	first := nextStatus(&Status{Conditions: []metav1.Condition{{Type: "Other", Status: metav1.ConditionTrue}}}, identity.Status{Reason: "A", Message: "a"})
	first.Conditions[1].LastTransitionTime = metav1.NewTime(time.Unix(0, 0))
	second := nextStatus(&first, identity.Status{Reason: "B", Message: "b"})
	require.Len(t, second.Conditions, 2, "others' conditions stay")
	assert.Equal(t, metav1.NewTime(time.Unix(0, 0)), second.Conditions[1].LastTransitionTime)
	assert.Equal(t, "B", second.Conditions[1].Reason)
	third := nextStatus(&second, identity.Status{Ready: true, Reason: "C", Message: "c"})
	assert.NotEqual(t, metav1.NewTime(time.Unix(0, 0)), third.Conditions[1].LastTransitionTime)
}

func TestDeepCopySharesNothing(t *testing.T) {
	role := newRole(Spec{})
	role.Status = Status{ObservedGeneration: new(int64(1)), Expiration: new(metav1.Now()), Conditions: []metav1.Condition{{Type: api.ReadyCondition}}}
	list := &List{Items: []AWSIAMRole{*role}}
	c, ok := list.DeepCopyObject().(*List)
	require.True(t, ok)
	assert.Equal(t, list, c)
	c.Items[0].Labels["team"] = "b"
	*c.Items[0].Status.ObservedGeneration = 2
	c.Items[0].Status.Conditions[0].Type = "Other"
	c.Items[0].Status.Expiration.Time = time.Unix(0, 0)
	assert.Equal(t, newRole(Spec{}).Labels, role.Labels)
	assert.Equal(t, int64(1), *role.Status.ObservedGeneration)
	assert.Equal(t, api.ReadyCondition, role.Status.Conditions[0].Type)
	assert.False(t, role.Status.Expiration.Time.Equal(time.Unix(0, 0)))
}

func TestKeys(t *testing.T) {
	s, i, _ := newSource(t)
	require.NoError(t, i.store.Add(newRole(Spec{})))
	var keys []identity.Key
	for k := range s.Keys() {
		keys = append(keys, k)
	}
	assert.Equal(t, []identity.Key{key}, keys)
}

func TestSessionPolicyThatIsEmptyIsNoneThatIsAbsent(t *testing.T) {
	for text, empty := range map[string]bool{
		`{"spec":{"roleReference":"app"}}`:                                                    false,
		`{"spec":{"roleReference":"app","sessionPolicy":null}}`:                               false,
		`{"spec":{"roleReference":"app","sessionPolicy":""}}`:                                 true,
		`{"spec":{"roleReference":"app","sessionPolicy":"` + strings.Repeat(" ", 600) + `"}}`: true,
	} {
		role := &AWSIAMRole{}
		require.NoError(t, json.Unmarshal([]byte(text), role))
		for _, role = range []*AWSIAMRole{role, transformed(t, role)} {
			want, err := Read(role, "ns/cluster")
			assert.Empty(t, want.SessionPolicy)
			if empty {
				require.ErrorContains(t, err, "spec.sessionPolicy: it is empty: give a policy")
			} else {
				require.NoError(t, err)
			}
		}
	}
}

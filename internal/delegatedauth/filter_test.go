package delegatedauth

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-kit/log"
	"github.com/stretchr/testify/assert"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	authenticationclient "k8s.io/client-go/kubernetes/typed/authentication/v1"
	clienttesting "k8s.io/client-go/testing"
)

// apiServer authenticates the tokens "reader" and "other", and authorizes the first one.
type apiServer struct {
	*fake.Clientset

	reviewed []string // tokens
	failed   error
	log      bytes.Buffer
	filter   *Filter
}

func newAPIServer() *apiServer {
	s := &apiServer{Clientset: fake.NewClientset()}
	s.PrependReactor("create", "tokenreviews", func(action clienttesting.Action) (bool, runtime.Object, error) {
		review, _ := action.(clienttesting.CreateAction).GetObject().(*authenticationv1.TokenReview)
		token := review.Spec.Token
		s.reviewed = append(s.reviewed, token)
		if s.failed != nil {
			return true, nil, s.failed
		}
		return true, &authenticationv1.TokenReview{Status: authenticationv1.TokenReviewStatus{
			Authenticated: token == "reader" || token == "other", User: authenticationv1.UserInfo{
				Username: token, Groups: []string{"group"}, UID: "1", Extra: map[string]authenticationv1.ExtraValue{"key": {"value"}},
			},
		}}, nil
	})
	s.PrependReactor("create", "subjectaccessreviews", func(action clienttesting.Action) (bool, runtime.Object, error) {
		review, _ := action.(clienttesting.CreateAction).GetObject().(*authorizationv1.SubjectAccessReview)
		want := authorizationv1.SubjectAccessReviewSpec{
			User: "reader", Groups: []string{"group"}, UID: "1", Extra: map[string]authorizationv1.ExtraValue{"key": {"value"}},
			NonResourceAttributes: &authorizationv1.NonResourceAttributes{Path: "/metrics", Verb: "get"},
		}
		return true, &authorizationv1.SubjectAccessReview{
			Status: authorizationv1.SubjectAccessReviewStatus{Allowed: assert.ObjectsAreEqual(want, review.Spec)},
		}, nil
	})
	s.filter = New(s.AuthenticationV1().TokenReviews(), s.AuthorizationV1().SubjectAccessReviews(), "/metrics", log.NewLogfmtLogger(&s.log))
	return s
}

func (s *apiServer) get(token string) *httptest.ResponseRecorder {
	w, req := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody)
	req.Header.Set("Authorization", "Bearer "+token)
	s.filter.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("metrics")) })).ServeHTTP(w, req)
	return w
}

func TestVerdictIsCachedForTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newAPIServer()
		for range 2 {
			for range 3 {
				assert.Equal(t, "metrics", s.get("reader").Body.String())
				assert.Equal(t, http.StatusForbidden, s.get("other").Code)
				assert.Equal(t, http.StatusUnauthorized, s.get("invalid").Code)
			}
			time.Sleep(verdictTTL + time.Second)
		}
		assert.Equal(t, []string{"reader", "other", "invalid", "reader", "other", "invalid"}, s.reviewed)
	})
}

func TestInvalidTokensDoNotEvictAllowedClients(t *testing.T) {
	s := newAPIServer()
	s.get("reader")
	for i := range 3 * maxVerdicts {
		s.get(time.Duration(i).String())
	}
	s.get("reader")
	assert.Len(t, s.reviewed, 1+3*maxVerdicts)
	assert.Len(t, s.filter.refused.Keys(), maxVerdicts)
}

func TestFailedReviewIsNotCachedAndRevealsNoToken(t *testing.T) {
	s := newAPIServer()
	s.failed = errors.New("cannot review token hunter2")
	w := s.get("hunter2")
	assert.Equal(t, http.StatusServiceUnavailable, w.Code)
	assert.NotContains(t, w.Body.String()+s.log.String(), "hunter2")
	assert.Contains(t, s.log.String(), "cannot authorize requests")
	s.failed = nil
	assert.Equal(t, http.StatusUnauthorized, s.get("hunter2").Code)
}

func TestMissingAndOversizedTokensAreNotReviewed(t *testing.T) {
	s := newAPIServer()
	assert.Equal(t, http.StatusUnauthorized, s.get("").Code)
	assert.Equal(t, http.StatusUnauthorized, s.get(string(bytes.Repeat([]byte("x"), maxToken+1))).Code)
	assert.Empty(t, s.reviewed)
	assert.Equal(t, "Bearer", s.get("").Header().Get("WWW-Authenticate"))
}

func TestOnlyABearerTokenIsLookedUp(t *testing.T) {
	longest := strings.Repeat("x", maxToken)
	for header, want := range map[string]string{
		"Bearer a": "a", "bearer a": "a", "Bearer  a ": "a", "Bearer " + longest: longest,
		"Basic a": "", "a": "", "Bearer": "", "Bearer  ": "",
	} {
		req := httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody)
		req.Header.Set("Authorization", header)
		assert.Equal(t, want, bearer(req), header[:min(len(header), 20)])
	}
}

func TestTheRefusalOfALookupIsToldWithoutTheToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newAPIServer()
		s.failed = apierrors.NewForbidden(schema.GroupResource{Resource: "tokenreviews"}, "", errors.New("no right to review hunter2"))
		for range 3 {
			assert.Equal(t, http.StatusServiceUnavailable, s.get("hunter2").Code)
		}
		assert.Contains(t, s.log.String(), "no right to review REDACTED")
		assert.NotContains(t, s.log.String(), "hunter2")
		assert.Equal(t, 1, strings.Count(s.log.String(), "\n"), "once a minute")
		time.Sleep(time.Minute)
		s.get("hunter2")
		assert.Equal(t, 2, strings.Count(s.log.String(), "\n"))
	})
}

func TestARightThatCannotBeLookedUpIsNoVerdict(t *testing.T) {
	s := newAPIServer()
	away := true
	s.PrependReactor("create", "subjectaccessreviews", func(clienttesting.Action) (bool, runtime.Object, error) {
		return away, nil, errors.New("away")
	})
	assert.Equal(t, http.StatusServiceUnavailable, s.get("reader").Code)
	away = false
	assert.Equal(t, http.StatusOK, s.get("reader").Code)
}

// slowReviews answers when the request is given up.
type slowReviews struct {
	authenticationclient.TokenReviewInterface
}

func (slowReviews) Create(ctx context.Context, _ *authenticationv1.TokenReview, _ metav1.CreateOptions) (*authenticationv1.TokenReview, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestASlowAPIServerIsNotWaitedForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newAPIServer()
		s.filter.tokens = slowReviews{}
		start := time.Now()
		assert.Equal(t, http.StatusServiceUnavailable, s.get("reader").Code)
		assert.Equal(t, reviewTimeout, time.Since(start))
		assert.Contains(t, s.log.String(), "it took too long")
	})
}

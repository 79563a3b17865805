// Package delegatedauth restricts an HTTP handler to clients with a bearer token that
// the API server authenticates and authorizes, by TokenReview and SubjectAccessReview.
package delegatedauth

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"golang.org/x/time/rate"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/cache"
)

const (
	// verdictTTL is how long a verdict is cached. A revoked permission remains effective
	// for as long.
	verdictTTL = time.Minute
	// maxVerdicts bounds each of the two caches. Invented tokens fill only the cache of
	// refusals, and so never evict a client that is allowed.
	maxVerdicts = 256
	// maxToken exceeds the length of any token that the API server issues.
	maxToken = 8 << 10
	// reviewTimeout bounds both reviews of a request.
	reviewTimeout = 8 * time.Second
)

// TokenReviews is a client for TokenReviews.
type TokenReviews interface {
	Create(ctx context.Context, review *authenticationv1.TokenReview, opts metav1.CreateOptions) (*authenticationv1.TokenReview, error)
}

// AccessReviews is a client for SubjectAccessReviews.
type AccessReviews interface {
	Create(ctx context.Context, review *authorizationv1.SubjectAccessReview, opts metav1.CreateOptions) (*authorizationv1.SubjectAccessReview, error)
}

// A verdict is the HTTP status for a token.
type verdict = int

// A Filter authenticates and authorizes requests for one path.
type Filter struct {
	tokens TokenReviews
	access AccessReviews
	path   string
	logger log.Logger
	// sometimes limits the warnings about failed reviews, which unauthenticated clients
	// can cause.
	sometimes rate.Sometimes
	// allowed and refused cache verdicts by the hash of the token.
	allowed, refused *cache.LRUExpireCache
}

// New returns a Filter for a path, as in nonResourceURLs of a ClusterRole.
func New(tokens TokenReviews, access AccessReviews, path string, logger log.Logger) *Filter {
	return &Filter{
		tokens: tokens, access: access, path: path, logger: logger, sometimes: rate.Sometimes{Interval: time.Minute},
		allowed: cache.NewLRUExpireCache(maxVerdicts), refused: cache.NewLRUExpireCache(maxVerdicts),
	}
}

// Wrap returns a handler that passes authorized requests to next. Other requests get a status without details.
func (f *Filter) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		switch found := f.decide(req.Context(), bearer(req)); found {
		case http.StatusOK:
			next.ServeHTTP(w, req)
		case http.StatusUnauthorized:
			w.Header().Set("WWW-Authenticate", "Bearer")
			fallthrough
		default:
			http.Error(w, http.StatusText(found), found)
		}
	})
}

// bearer returns the bearer token of a request, "" if it is missing or too long.
func bearer(req *http.Request) string {
	scheme, token, _ := strings.Cut(req.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || len(token) > maxToken {
		return ""
	}
	return strings.TrimSpace(token)
}

// decide returns the cached verdict on a token, or asks the API server. Errors are not
// cached.
func (f *Filter) decide(ctx context.Context, token string) verdict {
	if token == "" {
		return http.StatusUnauthorized
	}
	key := sha256.Sum256([]byte(token))
	for _, known := range []*cache.LRUExpireCache{f.allowed, f.refused} {
		found, _ := known.Get(key)
		if reviewed, is := found.(verdict); is {
			return reviewed
		}
	}
	ctx, cancel := context.WithTimeout(ctx, reviewTimeout)
	defer cancel()
	found, err := f.review(ctx, token)
	switch {
	case err != nil:
		f.sometimes.Do(func() {
			level.Warn(f.logger).Log("msg", "cannot authorize requests for metrics", "err", loggable(err, token))
		})
		return http.StatusServiceUnavailable
	case found == http.StatusOK:
		f.allowed.Add(key, found, verdictTTL)
	default:
		f.refused.Add(key, found, verdictTTL)
	}
	return found
}

// loggable returns a description of an error without the token, which the text of an
// error may quote.
func loggable(err error, token string) string {
	switch {
	case apierrors.IsForbidden(err):
		return strings.ReplaceAll(err.Error(), token, "REDACTED")
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return "it took too long"
	default:
		return "the API server answers " + string(apierrors.ReasonForError(err))
	}
}

// review authenticates a token and authorizes its user at the API server.
func (f *Filter) review(ctx context.Context, token string) (verdict, error) {
	who, err := f.tokens.Create(ctx, &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token}}, metav1.CreateOptions{})
	switch {
	case err != nil:
		return 0, err
	case !who.Status.Authenticated:
		return http.StatusUnauthorized, nil
	}
	user := who.Status.User
	extra := make(map[string]authorizationv1.ExtraValue, len(user.Extra))
	for key, values := range user.Extra {
		extra[key] = authorizationv1.ExtraValue(values)
	}
	may, err := f.access.Create(ctx, &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: user.Username, Groups: user.Groups, UID: user.UID, Extra: extra,
		NonResourceAttributes: &authorizationv1.NonResourceAttributes{Path: f.path, Verb: "get"},
	}}, metav1.CreateOptions{})
	switch {
	case err != nil:
		return 0, err
	case !may.Status.Allowed:
		return http.StatusForbidden, nil
	}
	return http.StatusOK, nil
}

package setup

import (
	"bytes"
	"errors"
	"testing"

	"github.com/go-kit/log"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	metadatafake "k8s.io/client-go/metadata/fake"
	clienttesting "k8s.io/client-go/testing"

	"kube-aws-iam-controller/internal/namespaces"
)

func TestClusterUIDIsReadOnce(t *testing.T) {
	forbidden := apierrors.NewForbidden(namespaces.Resource.GroupResource(), "kube-system", errors.New("no right"))
	away := errors.New("the API server is away")
	for name, tc := range map[string]struct {
		allowed        bool
		review, answer error
		uid            string
		asked          int // by three calls
		err            error
		says           string
	}{
		"known":                        {allowed: true, uid: "u1", asked: 1},
		"not permitted":                {says: "do not reach that far"},
		"not permitted, by the answer": {review: forbidden, answer: forbidden, asked: 1, says: "is forbidden"},
		"known, but the review fails":  {review: forbidden, uid: "u1", asked: 1},
		"absent":                       {allowed: true, answer: apierrors.NewNotFound(namespaces.Resource.GroupResource(), "kube-system"), asked: 1, says: "not found"},
		"away":                         {allowed: true, answer: away, asked: 3, err: away},
	} {
		t.Run(name, func(t *testing.T) {
			scheme := runtime.NewScheme()
			require.NoError(t, metav1.AddMetaToScheme(scheme))
			client := metadatafake.NewSimpleMetadataClient(scheme, &metav1.PartialObjectMetadata{
				TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"}, ObjectMeta: metav1.ObjectMeta{Name: "kube-system", UID: "u1"},
			})
			client.PrependReactor("get", "namespaces", func(clienttesting.Action) (bool, runtime.Object, error) {
				return tc.answer != nil, nil, tc.answer
			})
			reviews := fake.NewClientset()
			reviews.PrependReactor("create", "selfsubjectaccessreviews", func(action clienttesting.Action) (bool, runtime.Object, error) {
				create, is := action.(clienttesting.CreateAction)
				require.True(t, is)
				review, is := create.GetObject().(*authorizationv1.SelfSubjectAccessReview)
				require.True(t, is)
				assert.Equal(t, &authorizationv1.ResourceAttributes{
					Verb: "get", Version: "v1", Resource: "namespaces", Namespace: "kube-system", Name: "kube-system",
				}, review.Spec.ResourceAttributes)
				return true, &authorizationv1.SelfSubjectAccessReview{Status: authorizationv1.SubjectAccessReviewStatus{Allowed: tc.allowed}}, tc.review
			})
			var logged bytes.Buffer
			c := clusterUID{client: client, reviews: reviews.AuthorizationV1().SelfSubjectAccessReviews(), logger: log.NewLogfmtLogger(&logged)}
			for range 3 {
				uid, err := c.get(t.Context())
				require.ErrorIs(t, err, tc.err)
				assert.Equal(t, tc.uid, uid)
			}
			assert.Len(t, client.Actions(), tc.asked)
			assert.Contains(t, logged.String(), tc.says)
			assert.LessOrEqual(t, bytes.Count(logged.Bytes(), []byte("not told apart")), 1)
		})
	}
}

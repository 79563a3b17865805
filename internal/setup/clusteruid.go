package setup

import (
	"context"
	"sync"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/metadata"

	"kube-aws-iam-controller/internal/namespaces"
)

// accessReviews is a client for SelfSubjectAccessReviews.
type accessReviews interface {
	Create(ctx context.Context, review *authorizationv1.SelfSubjectAccessReview, opts metav1.CreateOptions) (*authorizationv1.SelfSubjectAccessReview, error)
}

// clusterUID reads the UID of the cluster, which is that of its Namespace kube-system,
// and caches it.
type clusterUID struct {
	client metadata.Interface
	// reviews say whether the controller may read it.
	reviews accessReviews
	logger  log.Logger

	mu    sync.Mutex
	known bool
	uid   string
}

// get returns the UID, "" if the controller may not read it, as with rights in one
// namespace only. Two clusters with the same name are not told apart then.
func (c *clusterUID) get(ctx context.Context) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known {
		return c.uid, nil
	}
	if c.forbidden(ctx) {
		c.unknown("its rights do not reach that far")
		return "", nil
	}
	namespace, err := c.client.Resource(namespaces.Resource).Get(ctx, metav1.NamespaceSystem, metav1.GetOptions{})
	switch {
	case apierrors.IsForbidden(err), apierrors.IsNotFound(err):
		c.unknown(err)
		return "", nil
	case err != nil:
		return "", err
	}
	c.known, c.uid = true, string(namespace.UID)
	return c.uid, nil
}

// forbidden says whether the controller may not read the Namespace, so that an
// installation with rights in one namespace sends no request that is denied. If the
// review fails, the request itself tells.
func (c *clusterUID) forbidden(ctx context.Context) bool {
	review, err := c.reviews.Create(ctx, &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Verb: "get", Version: namespaces.Resource.Version, Resource: namespaces.Resource.Resource,
			Namespace: metav1.NamespaceSystem, Name: metav1.NamespaceSystem,
		},
	}}, metav1.CreateOptions{})
	return err == nil && !review.Status.Allowed
}

// unknown gives up on the UID, and logs why.
func (c *clusterUID) unknown(why any) {
	c.known = true
	level.Warn(c.logger).Log("msg", "the UID of this cluster is not known, so that roles of another cluster with the same --cluster-name are not told apart: "+
		"allow the controller to get the Namespace "+metav1.NamespaceSystem, "why", why)
}

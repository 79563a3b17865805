package app

import (
	"context"
	"sync"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	authorizationclient "k8s.io/client-go/kubernetes/typed/authorization/v1"
	"k8s.io/client-go/metadata"

	"kube-aws-iam-controller/internal/namespaces"
)

// clusterUID asks for the UID of the cluster, that of its Namespace kube-system, and
// remembers it.
type clusterUID struct {
	client metadata.Interface
	// reviews say whether the controller may ask at all.
	reviews authorizationclient.SelfSubjectAccessReviewInterface
	logger  log.Logger

	mu    sync.Mutex
	known bool
	uid   string
}

// get returns the UID, "" where the controller may not know it, as with rights in one
// namespace alone: two clusters of one name are not told apart then.
func (c *clusterUID) get(ctx context.Context) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known {
		return c.uid, nil
	}
	if c.mayNot(ctx) {
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

// mayNot says whether the API server is known to refuse. An installation whose rights
// are in one namespace asks for nothing that is refused. Where a review is not to be
// had, the answer itself tells.
func (c *clusterUID) mayNot(ctx context.Context) bool {
	review, err := c.reviews.Create(ctx, &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Verb: "get", Version: namespaces.Resource.Version, Resource: namespaces.Resource.Resource,
			Namespace: metav1.NamespaceSystem, Name: metav1.NamespaceSystem,
		},
	}}, metav1.CreateOptions{})
	return err == nil && !review.Status.Allowed
}

// unknown says once that the UID is not to be known.
func (c *clusterUID) unknown(why any) {
	c.known = true
	level.Warn(c.logger).Log("msg", "the UID of this cluster is not known, so that roles of another cluster with the same --cluster-name are not told apart: "+
		"allow the controller to get the Namespace "+metav1.NamespaceSystem, "why", why)
}

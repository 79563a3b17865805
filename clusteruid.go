package main

import (
	"context"
	"sync"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/metadata"

	"kube-aws-iam-controller/internal/namespaces"
)

// clusterUID asks for the UID of the cluster, that of its Namespace kube-system, and
// remembers it.
type clusterUID struct {
	client metadata.Interface
	logger log.Logger

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
	namespace, err := c.client.Resource(namespaces.Resource).Get(ctx, metav1.NamespaceSystem, metav1.GetOptions{})
	switch {
	case apierrors.IsForbidden(err), apierrors.IsNotFound(err):
		level.Warn(c.logger).Log("msg", "the UID of this cluster is not known, so that roles of another cluster with the same --cluster-name are not told apart: "+
			"allow the controller to get the Namespace "+metav1.NamespaceSystem, "err", err)
	case err != nil:
		return "", err
	default:
		c.uid = string(namespace.UID)
	}
	c.known = true
	return c.uid, nil
}

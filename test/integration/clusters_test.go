package integration

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// uid is what tells a cluster from others of its name.
func (w *world) uid() string {
	w.t.Helper()
	namespace, err := w.Client().CoreV1().Namespaces().Get(w.t.Context(), metav1.NamespaceSystem, metav1.GetOptions{})
	require.NoError(w.t, err)
	return string(namespace.UID)
}

// twin is another cluster, with the AWS account and the namespace of this one.
func (w *world) twin() *world {
	w.t.Helper()
	t := newControlPlane(w.t)
	mine := t.aws
	t.aws, t.env, t.namespace = w.aws, w.env, w.namespace
	w.t.Cleanup(func() { // the account is the other's to end
		t.assertNothingLeaked()
		t.aws = mine
	})
	_, err := t.Client().CoreV1().Namespaces().Create(w.t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: t.namespace}}, metav1.CreateOptions{})
	require.NoError(w.t, err)
	return t
}

// awaitSweeps waits until all roles were listed so many times again.
func (w *world) awaitSweeps(number int) {
	w.t.Helper()
	before := w.aws.Counts()["ListRoles"]
	w.eventually(func(context.Context) error {
		if now := w.aws.Counts()["ListRoles"]; now < before+number {
			return fmt.Errorf("%d lists of %d", now-before, number)
		}
		return nil
	})
}

func TestTwoClustersOfOneName(t *testing.T) {
	first := newWorld(t)
	first.accountWith("app", own)
	first.provisioning("--orphan-sweep-interval=0")
	secret := first.secret("app.aws-iam", nil)
	client := first.admin()
	role := first.ownRole(client, string(secret.Data["role-arn"]))

	second := first.twin()
	require.NotEqual(t, first.uid(), second.uid())
	second.accountWith("app", own)
	second.accountWith("other", own)
	c := second.provisioning("--orphan-sweep-interval=2s")
	for _, name := range []string{"app", "other"} {
		for _, says := range []string{first.uid(), second.uid(), "--adopt-roles-of-cluster-uid=" + first.uid()} {
			second.eventSays("ServiceAccount", name, "RoleNotOwned", says)
		}
		_, err := second.Client().CoreV1().Secrets(second.namespace).Get(t.Context(), name+".aws-iam", metav1.GetOptions{})
		assert.True(t, apierrors.IsNotFound(err), "%v", err)
	}
	_, err := second.Kubectl(t.Context(), "delete", "serviceaccount", "app", "-n", second.namespace)
	require.NoError(t, err)
	second.awaitSweeps(3) // to which the first's role looks like an orphan
	out, err := client.ListRoles(t.Context(), &iam.ListRolesInput{PathPrefix: new("/kube-aws-iam-controller/")})
	require.NoError(t, err)
	assert.Len(t, out.Roles, 1, "the second makes nothing")
	assert.Equal(t, role, first.ownRole(client, string(secret.Data["role-arn"])), "nor changes or deletes anything")
	c.Kill()

	// The second replaces the first.
	for _, each := range first.running {
		each.Kill()
	}
	second.provisioning("--adopt-roles-of-cluster-uid=" + first.uid())
	second.secret("other.aws-iam", nil)
	second.accountWith("app", own)
	adopted := second.secret("app.aws-iam", nil)
	assert.Equal(t, *role.RoleId, adopted.Annotations["iam.amazonaws.com/role-id"])
	second.eventually(func(context.Context) error {
		for _, tag := range second.ownRole(client, string(adopted.Data["role-arn"])).Tags {
			if *tag.Key == "kubernetes-cluster-uid" && types.UID(*tag.Value) == types.UID(second.uid()) {
				return nil
			}
		}
		return errors.New("the role is not tagged for the cluster that adopted it")
	})
}

package integration

import (
	"context"
	"fmt"
	"maps"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/test/kit"
)

// label patches the labels of an object of the test's namespace, as kubectl label does.
func (w *world) label(object string, change ...string) {
	w.t.Helper()
	require.NoError(w.t, w.objects().Label(w.t.Context(), object, kit.Changes(change...)))
}

// labelled waits until the Secret app has just these labels besides those of an AWSIAMRole's.
func (w *world) labelled(want map[string]string) *corev1.Secret {
	w.t.Helper()
	all := maps.Clone(want)
	all["heritage"], all["type"] = "kube-aws-iam-controller", "awsiamrole"
	var found *corev1.Secret
	w.eventually(func(ctx context.Context) (err error) {
		found, err = w.Client().CoreV1().Secrets(w.namespace).Get(ctx, "app", metav1.GetOptions{})
		if err == nil && !maps.Equal(all, found.Labels) {
			err = fmt.Errorf("it has the labels %v, not %v", found.Labels, all)
		}
		return err
	})
	return found
}

func TestLabelsOfAnAWSIAMRoleFollowOnItsSecretWithoutSTS(t *testing.T) {
	w := newWorld(t)
	w.iamRole("", "app")
	c := w.start()
	w.role("app", "team: a, tier: web", "roleReference: app")
	before := w.labelled(map[string]string{"team": "a", "tier": "web"})
	require.Equal(t, 1, w.assumed())
	w.label("secret/app", "owner=backup")

	w.label("awsiamrole/app", "team=b", "zone=x")
	w.labelled(map[string]string{"team": "b", "tier": "web", "zone": "x", "owner": "backup"})
	w.label("awsiamrole/app", "team-", "tier-")
	w.labelled(map[string]string{"zone": "x", "owner": "backup"})
	w.label("secret/app", "zone=y")
	w.labelled(map[string]string{"zone": "x", "owner": "backup"})
	w.label("awsiamrole/app", "zone-")
	after := w.labelled(map[string]string{"owner": "backup"})

	assert.Equal(t, before.UID, after.UID)
	assert.Equal(t, before.Data, after.Data, "the same credentials")
	assert.Equal(t, before.Annotations, after.Annotations)

	c.Kill()
	w.start()
	w.role("later", "", "roleReference: app")
	w.secret("later", nil)
	assert.Equal(t, 2, w.assumed(), "one for each, also after a restart")
	assert.Equal(t, after.ResourceVersion, w.labelled(map[string]string{"owner": "backup"}).ResourceVersion, "and nothing is written that is there")
}

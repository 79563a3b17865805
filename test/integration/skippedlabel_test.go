package integration

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestAServiceAccountThatAdmissionPassesOverIsMended has the label on what asks for a role, as it may be where the
// admission policy was not in force: it is not, in this test.
func TestAServiceAccountThatAdmissionPassesOverIsMended(t *testing.T) {
	w := newWorld(t)
	w.iamRole("", "app")
	hide := func(name string) { w.label("serviceaccount/"+name, "iam.amazonaws.com/requests=none", "team=a") }
	shown := func(name string) {
		w.eventually(func(ctx context.Context) error {
			found, err := w.Client().CoreV1().ServiceAccounts(w.namespace).Get(ctx, name, metav1.GetOptions{})
			if _, has := found.Labels["iam.amazonaws.com/requests"]; err == nil && has {
				err = errors.New("the label is still there")
			}
			if err == nil {
				assert.Equal(t, "a", found.Labels["team"])
			}
			return err
		})
		assert.Contains(t, w.event("ServiceAccount", name, "AdmissionSkipped"), "Recreate pods that lack the volume aws-iam-credentials")
	}
	w.account("before", "app")
	w.account("refused", "no-such-role")
	hide("before")
	hide("refused")
	w.start()
	shown("before")
	shown("refused")
	w.account("while", "app")
	w.secret("while.aws-iam", nil)
	hide("while")
	shown("while")

	_, err := w.Kubectl(t.Context(), "create", "serviceaccount", "nothing", "-n", w.namespace)
	require.NoError(t, err)
	hide("nothing")
	w.label("serviceaccount/nothing", "team=b")
	w.account("later", "app")
	w.secret("later.aws-iam", nil)
	assert.Equal(t, "none", w.field("serviceaccount/nothing", `.metadata.labels.iam\.amazonaws\.com/requests`), "of who asks for nothing it stays")
}

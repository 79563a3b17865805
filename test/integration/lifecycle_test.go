package integration

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"kube-aws-iam-controller/internal/awssim"

	"kube-aws-iam-controller/test/kit"
)

func TestCredentialsRenewThemselves(t *testing.T) {
	w := newWorld(t)
	w.iamRole("", "app")
	w.aws.SetSession(6 * time.Second)
	w.start()
	w.account("app", "app")
	secret := w.secret("app.aws-iam", nil)
	for range 3 {
		next := w.secret("app.aws-iam", secret)
		assert.True(t, time.Now().Before(read(t, secret).expires(t)), "renewed before the old ones ran out")
		secret = next
	}
}

func TestARefusedRefreshKeepsWhatIsThereAndRecovers(t *testing.T) {
	w := newWorld(t)
	w.iamRole("", "app")
	w.aws.SetSession(9 * time.Second)
	c := w.start()
	w.account("app", "app")
	secret := w.secret("app.aws-iam", nil)
	w.aws.SetFaults(awssim.Fault{Code: "ServiceUnavailable"})
	assert.Contains(t, w.event("ServiceAccount", "app", "GetCredentialsFailed"), "Failed to get credentials for role 'app'")
	kept, err := w.Client().CoreV1().Secrets(w.namespace).Get(t.Context(), "app.aws-iam", metav1.GetOptions{})
	require.NoError(t, err)
	assert.Equal(t, secret.Data, kept.Data)
	degraded, err := c.Metric(t.Context(), `kube_aws_iam_controller_refreshes_total{reason="NearExpiry",result="error"`)
	require.NoError(t, err)
	assert.Positive(t, degraded)
	w.aws.SetFaults()
	w.secret("app.aws-iam", secret)
}

func TestAnInvalidAnnotationKeepsTheLastGoodCredentialsFresh(t *testing.T) {
	w := newWorld(t)
	arn := w.iamRole("", "app")
	w.aws.SetSession(6 * time.Second)
	w.start()
	w.account("app", "app")
	secret := w.secret("app.aws-iam", nil)
	_, err := w.Kubectl(t.Context(), "annotate", "sa", "app", "-n", w.namespace, "--overwrite", "iam.amazonaws.com/role=arn:aws:iam::1:user/x")
	require.NoError(t, err)
	assert.Contains(t, w.event("ServiceAccount", "app", "InvalidAnnotation"), `iam.amazonaws.com/role: "arn:aws:iam::1:user/x" is not the ARN`)
	for range 2 {
		secret = w.secret("app.aws-iam", secret)
		assert.Equal(t, arn, string(secret.Data["role-arn"]))
	}
}

func TestEditedOrDeletedSecretsAreRestoredWithinASecond(t *testing.T) {
	w := newWorld(t)
	w.iamRole("", "app")
	w.start()
	w.account("app", "app")
	patch := func(body string) func() error {
		return func() error {
			_, err := w.Client().CoreV1().Secrets(w.namespace).Patch(t.Context(), "app.aws-iam", types.MergePatchType,
				[]byte(body), metav1.PatchOptions{FieldManager: "somebody"})
			return err
		}
	}
	harm := []struct {
		name string
		do   func() error
	}{
		{"data replaced", patch(`{"data":{"credentials.json":"e30="}}`)},
		{"data taken away", patch(`{"data":{"credentials":null}}`)},
		{"data added", patch(`{"data":{"foreign":"e30="}}`)},
		{"annotation forged", patch(`{"metadata":{"annotations":{"iam.amazonaws.com/expiration":"2099-01-01T00:00:00Z"}}}`)},
		{"labels taken off", patch(`{"metadata":{"labels":null}}`)},
		{"owner taken off", patch(`{"metadata":{"ownerReferences":null}}`)},
		// From here on the API server keeps no record of who wrote what.
		{"no managed fields", patch(`{"metadata":{"managedFields":[{}]}}`)},
		{"labels taken off without a record", patch(`{"metadata":{"labels":null}}`)},
		{"made immutable", patch(`{"immutable":true}`)},
		{"deleted", func() error {
			return w.Client().CoreV1().Secrets(w.namespace).Delete(t.Context(), "app.aws-iam", metav1.DeleteOptions{})
		}},
	}
	secret := w.secret("app.aws-iam", nil)
	for _, h := range harm {
		require.NoError(t, h.do(), h.name)
		start := time.Now()
		next := w.restored(secret)
		assert.Less(t, time.Since(start), 20*time.Second, "%s: because it was seen, and by no timer", h.name)
		secret = next
	}
	// A restored Secret is left in peace: nothing restores it again and again.
	calls := w.assumed()
	time.Sleep(2 * time.Second)
	assert.Equal(t, calls, w.assumed())
}

// restored waits until the Secret is as before, but with new credentials.
func (w *world) restored(before *corev1.Secret) *corev1.Secret {
	w.t.Helper()
	var next *corev1.Secret
	w.eventually(func(ctx context.Context) (err error) {
		next, err = w.Client().CoreV1().Secrets(w.namespace).Get(ctx, before.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		d, was := read(w.t, next), read(w.t, before)
		whole := d.AccessKeyID != "" && d.AccessKeyID != was.AccessKeyID && d.Expiration == next.Annotations["iam.amazonaws.com/expiration"] &&
			len(next.Data) == len(before.Data) && next.Immutable == nil
		if !whole || !assert.ObjectsAreEqual(before.Labels, next.Labels) || !assert.ObjectsAreEqual(before.OwnerReferences, next.OwnerReferences) {
			return fmt.Errorf("not restored yet")
		}
		return nil
	})
	return next
}

func TestAForeignSecretIsNeverTouched(t *testing.T) {
	w := newWorld(t)
	w.iamRole("", "app")
	w.start()
	foreign, err := w.Client().CoreV1().Secrets(w.namespace).Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "app.aws-iam"}, Data: map[string][]byte{"theirs": []byte("keep")},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	w.account("app", "app")
	assert.Contains(t, w.event("ServiceAccount", "app", "SecretConflict"), w.namespace+"/app.aws-iam exists and does not belong to the controller")
	time.Sleep(3 * time.Second)
	assert.LessOrEqual(t, w.assumed(), 1, "STS is not asked for what cannot be stored")

	_, err = w.Kubectl(t.Context(), "annotate", "sa", "app", "-n", w.namespace, "iam.amazonaws.com/role-")
	require.NoError(t, err)
	time.Sleep(time.Second)
	now, err := w.Client().CoreV1().Secrets(w.namespace).Get(t.Context(), "app.aws-iam", metav1.GetOptions{})
	require.NoError(t, err)
	assert.Equal(t, foreign.ResourceVersion, now.ResourceVersion, "neither written nor deleted")
}

func TestWhatIsNoLongerAskedForGoes(t *testing.T) {
	w := newWorld(t)
	for _, role := range []string{"one", "two", "three"} {
		w.iamRole("", role)
	}
	c := w.start("--insecure-identity-metrics")
	w.account("one", "one")
	w.account("two", "two")
	w.role("three", "", "roleReference: three")
	for _, name := range []string{"one.aws-iam", "two.aws-iam", "three"} {
		w.secret(name, nil)
	}
	w.eventuallyField("sa/one", `.metadata.annotations.iam\.amazonaws\.com/role-arn`, kit.ARN(kit.AccountID, "", "one"))

	_, err := w.Kubectl(t.Context(), "annotate", "sa", "one", "-n", w.namespace, "iam.amazonaws.com/role-")
	require.NoError(t, err)
	_, err = w.Kubectl(t.Context(), "delete", "sa/two", "awsiamrole/three", "-n", w.namespace)
	require.NoError(t, err)
	for _, name := range []string{"one.aws-iam", "two.aws-iam", "three"} {
		w.gone(name)
	}
	w.eventuallyField("sa/one", `.metadata.annotations.iam\.amazonaws\.com/role-arn`, "")
	w.eventually(func(ctx context.Context) error {
		left, err := c.Metric(ctx, `kube_aws_iam_controller_credentials_expiration_timestamp_seconds{`)
		if err == nil && left != 0 {
			err = fmt.Errorf("series of what is gone are left: %v", left)
		}
		return err
	})
}

func TestARecreatedServiceAccountIsAnotherOne(t *testing.T) {
	w := newWorld(t)
	w.iamRole("", "app")
	w.start()
	w.account("app", "app")
	secret := w.secret("app.aws-iam", nil)
	require.NoError(t, w.Client().CoreV1().ServiceAccounts(w.namespace).Delete(t.Context(), "app", metav1.DeleteOptions{}))
	again := w.account("app", "app")
	w.eventually(func(ctx context.Context) error {
		next, err := w.Client().CoreV1().Secrets(w.namespace).Get(ctx, "app.aws-iam", metav1.GetOptions{})
		if err == nil && next.OwnerReferences[0].UID != again.UID {
			err = fmt.Errorf("the Secret still belongs to the ServiceAccount before")
		}
		return err
	})
	time.Sleep(2 * time.Second) // the garbage collector has its say
	next := w.secret("app.aws-iam", secret)
	assert.Equal(t, again.UID, next.OwnerReferences[0].UID)
}

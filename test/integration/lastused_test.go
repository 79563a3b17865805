package integration

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"kube-aws-iam-controller/internal/awssim"

	"kube-aws-iam-controller/test/kit"
)

const lastUsedKey = "iam.amazonaws.com/role-last-used"

// lastUsed returns the metric of when the role of a ServiceAccount was last used, and whether there is one.
func (w *world) lastUsed(ctx context.Context, c *kit.Controller, name string) (at string, is bool) {
	body, err := c.Get(ctx, "/metrics")
	if err != nil {
		return "", false
	}
	series := fmt.Sprintf(`kube_aws_iam_controller_role_last_used_timestamp_seconds{name=%q,namespace=%q,source="serviceaccount"} `, name, w.namespace)
	for line := range strings.Lines(body) {
		if at, is = strings.CutPrefix(line, series); is {
			return strings.TrimSpace(at), true
		}
	}
	return "", false
}

// use makes a request with the credentials in a Secret.
func (w *world) use(secret *corev1.Secret) {
	w.t.Helper()
	d := read(w.t, secret)
	_, err := w.aws.WhoAmI(w.t.Context(), d.AccessKeyID, d.SecretAccessKey, d.SessionToken)
	require.NoError(w.t, err)
}

func TestWhenAManagedRoleWasLastUsedIsShown(t *testing.T) {
	w := newWorldOfItsOwn(t) // the plugin takes the settings of a Deployment that another test installs
	w.aws.Set(awssim.Settings{LastUsedLag: new(awssim.Duration(time.Second))})
	c := w.provisioning("--drift-interval=2s", "--orphan-sweep-interval=0", "--insecure-identity-metrics")
	w.iamRole("", "existing")
	w.accountWith("existing", map[string]string{roleKey: "existing"})
	w.accountWith("app", map[string]string{policyKey: readBucket})
	secret := w.secret("app.aws-iam", nil)
	w.use(w.secret("existing.aws-iam", nil))
	w.eventually(func(ctx context.Context) error {
		if at, is := w.lastUsed(ctx, c, "app"); at != "0" {
			return fmt.Errorf("the role was never used, and the metric is %q (%v)", at, is)
		}
		return nil
	})
	begin := time.Now().Truncate(time.Second)
	w.use(secret)
	var used string
	w.eventually(func(ctx context.Context) error {
		if used, _ = w.lastUsed(ctx, c, "app"); used == "0" || used == "" {
			return errors.New("the use is not known yet")
		}
		return nil
	})
	_, is := w.lastUsed(t.Context(), c, "existing")
	assert.False(t, is, "it is not the controller's role")
	seen, err := w.Client().CoreV1().Secrets(w.namespace).Get(t.Context(), "app.aws-iam", metav1.GetOptions{})
	require.NoError(t, err)
	assert.Equal(t, secret.ResourceVersion, seen.ResourceVersion, "nothing is written for it alone")

	renewed := w.renewed(secret)
	at, err := time.Parse(time.RFC3339, renewed.Annotations[lastUsedKey])
	require.NoError(t, err)
	assert.WithinRange(t, at, begin, time.Now())
	admin := []string{"KUBECONFIG=" + w.AdminKubeconfig()}
	table, code := w.plugin(admin, "status", "--namespace", w.namespace)
	assert.Zero(t, code)
	assert.Regexp(t, `LAST USED +LAST ERROR\n`, table)
	assert.Regexp(t, `serviceaccount/app +\S+ +ready +\S+ +\d+\S+ ago +-\n`, table)
	assert.Regexp(t, `serviceaccount/existing +existing +ready +\S+ +- +-\n`, table)

	// The next process knows it from the Secret, and so does one that looks at no roles.
	c.Kill()
	c = w.provisioning("--drift-interval=0", "--orphan-sweep-interval=0", "--insecure-identity-metrics")
	before := w.aws.Counts()["GetRole"]
	w.eventually(func(ctx context.Context) error {
		if got, _ := w.lastUsed(ctx, c, "app"); got != fmt.Sprintf("%v", float64(at.Unix())) {
			return fmt.Errorf("the metric is %q", got)
		}
		return nil
	})
	assert.Equal(t, before, w.aws.Counts()["GetRole"])

	_, err = w.Kubectl(t.Context(), "delete", "serviceaccount", "app", "-n", w.namespace)
	require.NoError(t, err)
	w.eventually(func(ctx context.Context) error {
		if got, is := w.lastUsed(ctx, c, "app"); is {
			return fmt.Errorf("the role is gone, and the metric is %q", got)
		}
		return nil
	})
}

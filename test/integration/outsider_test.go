package integration

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/test/kit"
)

const seedSecret = kit.Account + ".aws-iam"

// An outsider is a world outside AWS: the controller has what it keeps fresh itself, and an administrator gives it the
// first of that.
type outsider struct {
	*world

	admin aws.Credentials
	// volume is where the controller's pod has the Secret.
	volume *kit.Volume
}

// newOutsider has a control plane of its own, because the controller's ServiceAccount is one for all tests elsewhere.
func newOutsider(t *testing.T) *outsider {
	t.Helper()
	o := &outsider{world: newWorldOfItsOwn(t)}
	user, err := o.aws.AddUser(kit.AccountID, "administrator", false)
	require.NoError(t, err)
	o.admin, err = o.aws.UserCredentials(kit.AccountID, "administrator")
	require.NoError(t, err)
	o.trust(o.aws.ControllerARN(), user)
	_, err = o.Client().AppsV1().Deployments(kit.Namespace).Create(t.Context(), controllerDeployment("controller", 1, "--cluster-name=test"), metav1.CreateOptions{})
	require.NoError(t, err)
	o.env = append(o.aws.EndpointEnv(), "POD_NAMESPACE="+kit.Namespace)
	o.volume = &kit.Volume{Client: o.Client(), Namespace: kit.Namespace, Name: seedSecret, Dir: t.TempDir()}
	return o
}

// trust has the controller's role trust principals on behalf of the controller's namespace.
func (o *outsider) trust(principals ...string) {
	o.t.Helper()
	admin, err := o.aws.Admin()
	require.NoError(o.t, err)
	trust := strings.ReplaceAll(o.aws.TrustPolicy(kit.Namespace+"/test"), `"`+o.aws.ControllerARN()+`"`, `["`+strings.Join(principals, `","`)+`"]`)
	_, err = admin.UpdateAssumeRolePolicy(o.t.Context(), &iam.UpdateAssumeRolePolicyInput{RoleName: &o.aws.ControllerRole, PolicyDocument: &trust})
	require.NoError(o.t, err)
}

// home are the objects of the controller's namespace.
func (o *outsider) home() kit.Objects { return kit.In(o.Access, kit.Namespace) }

// ask has the controller's ServiceAccount ask for the controller's role.
func (o *outsider) ask() {
	o.t.Helper()
	require.NoError(o.t, o.home().Annotate(o.t.Context(), "sa/"+kit.Account, map[string]any{"iam.amazonaws.com/role": o.aws.ControllerARN()}))
}

// bootstrap runs the command as an administrator does, and returns what it printed and its exit code. The log has it, too,
// to be looked through for credentials.
func (o *outsider) bootstrap(args ...string) (string, int) {
	o.t.Helper()
	return o.bootstrapWith([]string{
		"KUBECONFIG=" + o.AdminKubeconfig(), "AWS_ACCESS_KEY_ID=" + o.admin.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + o.admin.SecretAccessKey,
	}, args...)
}

func (o *outsider) bootstrapWith(env []string, args ...string) (string, int) {
	o.t.Helper()
	return o.plugin(append(o.aws.EndpointEnv(), env...), append([]string{"bootstrap"}, args...)...)
}

// seeds runs bootstrap, which has to succeed, and returns the Secret.
func (o *outsider) seeds(args ...string) *corev1.Secret {
	o.t.Helper()
	out, code := o.bootstrap(args...)
	require.Zero(o.t, code, out)
	assert.Contains(o.t, out, "Written. The session lasts until ")
	return o.seed()
}

func (o *outsider) seed() *corev1.Secret {
	o.t.Helper()
	secret, err := o.Client().CoreV1().Secrets(o.volume.Namespace).Get(o.t.Context(), o.volume.Name, metav1.GetOptions{})
	require.NoError(o.t, err)
	return secret
}

// run runs a controller on the Secret.
func (o *outsider) run(args ...string) *kit.Controller {
	o.t.Helper()
	require.NoError(o.t, o.volume.Sync(o.t.Context()))
	c := o.launch(append(args, "--credentials-file="+o.volume.Dir+"/credentials.json")...)
	require.NoError(o.t, c.WaitReady(o.t.Context(), within))
	return c
}

// follow has the volume follow the Secret, as the kubelet does, until the test ends.
func (o *outsider) follow() {
	o.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = o.volume.Follow(ctx) }()
	o.t.Cleanup(func() { stop(); <-done })
}

// renewed waits for other credentials than before's in the seed.
func (o *outsider) renewed(before *corev1.Secret) *corev1.Secret {
	o.t.Helper()
	secret, err := o.home().Secret(o.t.Context(), o.volume.Name, func(found *corev1.Secret) error {
		if bytes.Equal(found.Data["credentials.json"], before.Data["credentials.json"]) {
			return errors.New("not renewed yet")
		}
		return nil
	})
	require.NoError(o.t, err)
	return secret
}

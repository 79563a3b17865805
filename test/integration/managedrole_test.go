package integration

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"kube-aws-iam-controller/internal/awssim"

	"kube-aws-iam-controller/test/kit"
)

const (
	readBucket = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/*"}]}`
	sendQueue  = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sqs:SendMessage","Resource":"*"}]}`
	policyKey  = "iam.amazonaws.com/role-policy"
)

// provisioning runs a controller that makes roles.
func (w *world) provisioning(args ...string) *kit.Controller {
	w.t.Helper()
	return w.start(append([]string{"--permissions-boundary=" + w.aws.Boundary, "--iam-qps=1000"}, args...)...)
}

// admin is an administrator's IAM client.
func (w *world) admin() *iam.Client {
	w.t.Helper()
	client, err := w.aws.Admin()
	require.NoError(w.t, err)
	return client
}

// ownRole returns the role of the credentials in a Secret, as IAM shows it.
func (w *world) ownRole(client *iam.Client, arn string) *types.Role {
	w.t.Helper()
	out, err := client.GetRole(w.t.Context(), &iam.GetRoleInput{RoleName: new(arn[strings.LastIndexByte(arn, '/')+1:])})
	require.NoError(w.t, err)
	return out.Role
}

// noRoles waits until no role is left under the controller's path.
func (w *world) noRoles(client *iam.Client) {
	w.t.Helper()
	w.eventually(func(ctx context.Context) error {
		out, err := client.ListRoles(ctx, &iam.ListRolesInput{PathPrefix: new("/kube-aws-iam-controller/")})
		if err == nil && len(out.Roles) > 0 {
			err = fmt.Errorf("the role %s is left", *out.Roles[0].RoleName)
		}
		return err
	})
}

func (w *world) annotate(name string, annotations ...string) {
	w.t.Helper()
	require.NoError(w.t, w.objects().Annotate(w.t.Context(), "serviceaccount/"+name, kit.Changes(annotations...)))
}

func TestAPolicyBringsARoleOfOnesOwn(t *testing.T) {
	w := newWorld(t)
	client := w.admin()
	w.provisioning()
	w.accountWith("app", map[string]string{policyKey: readBucket})
	secret := w.secret("app.aws-iam", nil)
	arn := string(secret.Data["role-arn"])
	assert.Regexp(t, `^arn:aws:iam::123456789012:role/kube-aws-iam-controller/test/`, arn)
	assert.Equal(t, map[string]int{"CreateRole": 1, "PutRolePolicy": 1}, w.iamWrites())
	role := w.ownRole(client, arn)
	assert.Equal(t, w.aws.Boundary, *role.PermissionsBoundary.PermissionsBoundaryArn)
	assert.Equal(t, *role.RoleId, secret.Annotations["iam.amazonaws.com/role-id"])
	trust, err := url.PathUnescape(*role.AssumeRolePolicyDocument)
	require.NoError(t, err)
	assert.JSONEq(t, w.aws.ManagedTrustPolicy(w.namespace+"/test", w.namespace+".app"), trust)
	d := read(t, secret)
	who, err := w.aws.WhoAmI(t.Context(), d.AccessKeyID, d.SecretAccessKey, d.SessionToken)
	require.NoError(t, err)
	assert.Contains(t, who, ":assumed-role/"+*role.RoleName+"/"+w.namespace+".app")
	w.eventuallyField("sa/app", `.metadata.annotations.iam\.amazonaws\.com/role-arn`, arn)
	assert.Equal(t, `["iam.amazonaws.com/role"]`, w.field("sa/app", ".metadata.finalizers"))
	assert.Equal(t, "Created role '"+arn+"'", w.event("ServiceAccount", "app", "RoleCreated"))
}

func TestARoleThatIAMShowsLateIsWaitedForInSilence(t *testing.T) {
	w := newWorld(t)
	w.aws.Set(awssim.Settings{Propagation: new(awssim.Duration(8 * time.Second))})
	w.provisioning()
	w.accountWith("app", map[string]string{policyKey: readBucket})
	arn := string(w.secret("app.aws-iam", nil).Data["role-arn"])
	assert.Equal(t, "Created role '"+arn+"'", w.event("ServiceAccount", "app", "RoleCreated"))
	list, err := w.Client().CoreV1().Events(w.namespace).List(t.Context(), metav1.ListOptions{FieldSelector: "type=Warning"})
	require.NoError(t, err)
	assert.Empty(t, list.Items, "what mends itself is nobody's concern")
}

// iamWrites counts the writes to IAM.
func (w *world) iamWrites() map[string]int {
	writes := map[string]int{}
	for action, n := range w.aws.Counts() {
		if !strings.HasPrefix(action, "Get") && !strings.HasPrefix(action, "List") && action != "AssumeRole" {
			writes[action] = n
		}
	}
	return writes
}

func TestARoleOfOnesOwnFollowsItsAnnotations(t *testing.T) {
	w := newWorld(t)
	client := w.admin()
	c := w.provisioning()
	w.accountWith("app", map[string]string{policyKey: readBucket})
	secret := w.secret("app.aws-iam", nil)
	name := w.ownRole(client, string(secret.Data["role-arn"])).RoleName
	w.annotate("app", policyKey+"="+sendQueue)
	secret = w.secret("app.aws-iam", secret)
	assert.Contains(t, w.event("ServiceAccount", "app", "RoleUpdated"), ": inline-policy")
	policy, err := client.GetRolePolicy(t.Context(), &iam.GetRolePolicyInput{RoleName: name, PolicyName: new("kube-aws-iam-controller")})
	require.NoError(t, err)
	text, err := url.PathUnescape(*policy.PolicyDocument)
	require.NoError(t, err)
	assert.JSONEq(t, sendQueue, text)

	// A restart asks nothing of IAM, and neither does a refresh.
	c.Kill()
	before := len(w.aws.Calls())
	c = w.provisioning()
	time.Sleep(2 * time.Second)
	assert.Len(t, w.aws.Calls(), before)
	c.Kill()
	w.aws.SetSession(6 * time.Second)
	w.provisioning()
	require.NoError(t, w.Client().CoreV1().Secrets(w.namespace).Delete(t.Context(), "app.aws-iam", metav1.DeleteOptions{}))
	secret = w.secret("app.aws-iam", secret)
	before = len(w.aws.Calls())
	secret = w.secret("app.aws-iam", secret)
	for _, call := range w.aws.Calls()[before:] {
		assert.Equal(t, "AssumeRole", call.Action)
	}

	w.annotate("app", policyKey+"=not json")
	assert.Contains(t, w.event("ServiceAccount", "app", "InvalidAnnotation"), policyKey+`: "not json" is not JSON`)
	w.secret("app.aws-iam", secret)
	require.NotNil(t, w.ownRole(client, string(secret.Data["role-arn"])), "what works is kept")
}

func TestARoleOfOnesOwnGoesWithItsServiceAccount(t *testing.T) {
	w := newWorld(t)
	client := w.admin()
	w.provisioning()
	for _, name := range []string{"deleted", "annotation", "switched", "retained"} {
		w.accountWith(name, map[string]string{policyKey: readBucket})
		w.secret(name+".aws-iam", nil)
	}
	existing := w.iamRole("", "existing")
	w.annotate("retained", "iam.amazonaws.com/deletion-policy=Retain")
	kept := string(w.secret("retained.aws-iam", nil).Data["role-arn"])
	w.aws.SetFaults(awssim.Fault{Code: "Throttling", Probability: 0.2})
	_, err := w.Kubectl(t.Context(), "delete", "serviceaccount", "deleted", "retained", "-n", w.namespace, "--wait=false")
	require.NoError(t, err)
	w.annotate("annotation", policyKey+"-")
	w.annotate("switched", policyKey+"-", "iam.amazonaws.com/role=existing")
	for _, name := range []string{"deleted.aws-iam", "annotation.aws-iam", "retained.aws-iam"} {
		w.gone(name)
	}
	w.eventually(func(ctx context.Context) error {
		out, err := client.ListRoles(ctx, &iam.ListRolesInput{PathPrefix: new("/kube-aws-iam-controller/")})
		if err == nil && (len(out.Roles) != 1 || *out.Roles[0].Arn != kept) {
			err = fmt.Errorf("%d roles are left", len(out.Roles))
		}
		return err
	})
	assert.Equal(t, "true", tagOf(w.ownRole(client, kept), "retained"))
	for _, name := range []string{"deleted", "retained"} {
		w.eventually(func(ctx context.Context) error {
			_, err := w.Client().CoreV1().ServiceAccounts(w.namespace).Get(ctx, name, metav1.GetOptions{})
			if err == nil {
				return errors.New("the ServiceAccount is still held")
			}
			return ignoreNotFound(err)
		})
	}
	w.eventually(func(ctx context.Context) error {
		secret, err := w.Client().CoreV1().Secrets(w.namespace).Get(ctx, "switched.aws-iam", metav1.GetOptions{})
		if err == nil && string(secret.Data["role-arn"]) != existing {
			err = errors.New("not switched yet")
		}
		if err == nil && secret.Annotations["iam.amazonaws.com/role-id"] != "" {
			err = errors.New("the Secret still names the id of the role before")
		}
		return err
	})
	w.eventuallyField("sa/switched", ".metadata.finalizers", "")
	w.eventuallyField("sa/annotation", ".metadata.finalizers", "")

	// The same ServiceAccount, come back, has its role back.
	w.aws.SetFaults()
	w.accountWith("retained", map[string]string{policyKey: readBucket})
	assert.Equal(t, kept, string(w.secret("retained.aws-iam", nil).Data["role-arn"]))
	assert.Empty(t, tagOf(w.ownRole(client, kept), "retained"))
}

func tagOf(role *types.Role, key string) string {
	for _, tag := range role.Tags {
		if aws.ToString(tag.Key) == key {
			return aws.ToString(tag.Value)
		}
	}
	return ""
}

func TestANamespaceWithRolesEnds(t *testing.T) {
	w := newWorld(t)
	client := w.admin()
	w.provisioning()
	for i := range 3 {
		w.accountWith(fmt.Sprintf("app-%d", i), map[string]string{policyKey: readBucket})
		w.secret(fmt.Sprintf("app-%d.aws-iam", i), nil)
	}
	w.aws.SetFaults(awssim.Fault{Code: "Throttling", Probability: 0.2})
	_, err := w.Kubectl(t.Context(), "delete", "namespace", w.namespace, "--wait=false")
	require.NoError(t, err)
	w.noRoles(client)
	require.NoError(t, kit.Eventually(t.Context(), time.Minute, func(ctx context.Context) error {
		_, err := w.Client().CoreV1().Namespaces().Get(ctx, w.namespace, metav1.GetOptions{})
		if err == nil {
			return errors.New("the namespace is still there")
		}
		return ignoreNotFound(err)
	}))
}

func TestAForeignRoleUnderTheNameIsLeftAlone(t *testing.T) {
	w := newWorld(t)
	client := w.admin()
	c := w.provisioning()
	w.accountWith("app", map[string]string{policyKey: readBucket})
	arn := string(w.secret("app.aws-iam", nil).Data["role-arn"])
	name := arn[strings.LastIndexByte(arn, '/')+1:]
	c.Kill()
	w.aws.RemoveRole(kit.AccountID, name)
	_, err := w.aws.AddRole(awssim.RoleSpec{Account: kit.AccountID, Path: "/kube-aws-iam-controller/test/", Name: name, Trust: w.aws.TrustPolicy("x/y")})
	require.NoError(t, err)
	before := w.iamWrites()
	w.provisioning()
	w.annotate("app", policyKey+"="+sendQueue)
	assert.Contains(t, w.event("ServiceAccount", "app", "RoleNotOwned"), "it lacks the tags that identify this ServiceAccount")
	_, err = w.Kubectl(t.Context(), "delete", "serviceaccount", "app", "-n", w.namespace, "--timeout=30s")
	require.NoError(t, err, "and does not hold the ServiceAccount")
	trust, err := url.PathUnescape(*w.ownRole(client, "/"+name).AssumeRolePolicyDocument)
	require.NoError(t, err)
	assert.Contains(t, trust, "x/y")
	assert.Equal(t, before, w.iamWrites())
}

func TestNoRolesAreMadeWithoutABoundary(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.accountWith("app", map[string]string{policyKey: readBucket})
	assert.Contains(t, w.event("ServiceAccount", "app", "ProvisioningDisabled"), "run with --permissions-boundary")
	assert.Empty(t, w.field("sa/app", ".metadata.finalizers"))
	assert.Empty(t, w.aws.Counts())
}

func TestDriftIsCorrected(t *testing.T) {
	w := newWorld(t)
	client := w.admin()
	c := w.provisioning("--drift-interval=5s")
	w.accountWith("app", map[string]string{policyKey: readBucket})
	secret := w.secret("app.aws-iam", nil)
	name := w.ownRole(client, string(secret.Data["role-arn"])).RoleName
	_, err := client.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: name, PolicyName: new("more"), PolicyDocument: new(sendQueue)})
	require.NoError(t, err)
	require.NoError(t, kit.Eventually(t.Context(), time.Minute, func(ctx context.Context) error {
		out, failure := client.ListRolePolicies(ctx, &iam.ListRolePoliciesInput{RoleName: name})
		if failure == nil && len(out.PolicyNames) != 1 {
			failure = fmt.Errorf("the role has the policies %v", out.PolicyNames)
		}
		return failure
	}))
	assert.Contains(t, w.event("ServiceAccount", "app", "RoleDriftCorrected"), "which had been changed outside of the controller: inline-policy")
	corrected, err := c.Metric(t.Context(), `kube_aws_iam_controller_role_drift_corrections_total{kind="inline-policy"}`)
	require.NoError(t, err)
	assert.InDelta(t, 1, corrected, 0)

	w.aws.RemoveRole(kit.AccountID, *name)
	require.NoError(t, kit.Eventually(t.Context(), time.Minute, func(ctx context.Context) error {
		next, err := w.Client().CoreV1().Secrets(w.namespace).Get(ctx, "app.aws-iam", metav1.GetOptions{})
		if err == nil && next.Annotations["iam.amazonaws.com/role-id"] == secret.Annotations["iam.amazonaws.com/role-id"] {
			err = errors.New("the credentials are still those of the role that is gone")
		}
		return err
	}))
}

func TestAnOrphanedRoleIsFoundAndDeleted(t *testing.T) {
	w := newWorld(t)
	client := w.admin()
	c := w.provisioning()
	arns := map[string]string{}
	for _, name := range []string{"orphan", "emptied", "served", "retained"} {
		w.accountWith(name, map[string]string{policyKey: readBucket})
		arns[name] = string(w.secret(name+".aws-iam", nil).Data["role-arn"])
	}
	w.annotate("retained", "iam.amazonaws.com/deletion-policy=Retain")
	_, err := w.Kubectl(t.Context(), "delete", "serviceaccount", "retained", "-n", w.namespace)
	require.NoError(t, err)
	c.Kill()
	for _, name := range []string{"orphan", "emptied"} { // as somebody does who wants to be rid of a ServiceAccount that hangs
		_, err = w.Kubectl(t.Context(), "patch", "serviceaccount", name, "-n", w.namespace, "--type=merge", "-p", `{"metadata":{"finalizers":null}}`)
		require.NoError(t, err)
	}
	_, err = w.Kubectl(t.Context(), "delete", "serviceaccount", "orphan", "-n", w.namespace)
	require.NoError(t, err)
	w.annotate("emptied", policyKey+"-")
	w.provisioning("--orphan-sweep-interval=3s")
	w.eventually(func(ctx context.Context) error {
		out, err := client.ListRoles(ctx, &iam.ListRolesInput{PathPrefix: new("/kube-aws-iam-controller/")})
		if err == nil && len(out.Roles) != 2 {
			err = fmt.Errorf("%d roles are left", len(out.Roles))
		}
		return err
	})
	time.Sleep(4 * time.Second) // and another sweep
	w.ownRole(client, arns["served"])
	w.ownRole(client, arns["retained"])
	w.secret("served.aws-iam", nil)
	w.gone("emptied.aws-iam")
}

package integration

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"kube-aws-iam-controller/internal/awssim"

	"kube-aws-iam-controller/test/kit"
)

const (
	limitKey = "iam.amazonaws.com/session-policy"
	// getRole allows what a test asks for with the credentials of a session.
	getRole = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:GetRole","s3:GetObject"],"Resource":"*"}]}`
)

// sharedRole adds an IAM role that may read itself, for the test's namespace.
func (w *world) sharedRole(name string) {
	w.t.Helper()
	_, err := w.aws.AddRole(awssim.RoleSpec{
		Account: kit.AccountID, Name: name, Trust: w.aws.TrustPolicy(w.namespace + "/test"), Policies: map[string]string{"p": getRole},
	})
	require.NoError(w.t, err)
}

// getsRole asks IAM, with the credentials of a Secret, for the role that they are of.
func (w *world) getsRole(secret *corev1.Secret) error {
	w.t.Helper()
	d, arn := read(w.t, secret), string(secret.Data["role-arn"])
	client := iam.New(iam.Options{
		Region: "us-east-1", BaseEndpoint: new(w.aws.URL()), Credentials: credentials.NewStaticCredentialsProvider(d.AccessKeyID, d.SecretAccessKey, d.SessionToken),
	})
	_, err := client.GetRole(w.t.Context(), &iam.GetRoleInput{RoleName: new(arn[strings.LastIndexByte(arn, '/')+1:])})
	return err
}

// sessionPolicies returns those of all sessions that were issued.
func (w *world) sessionPolicies() (policies []string) {
	w.t.Helper()
	for _, call := range w.aws.Calls() {
		if call.Action == "AssumeRole" && call.Code == "OK" {
			policies = append(policies, call.Params["Policy"])
		}
	}
	return policies
}

func TestASessionPolicyLimitsWhatARolePermits(t *testing.T) {
	for name, change := range map[string]func(w *world, policy string){
		"of a ServiceAccount": func(w *world, policy string) {
			if policy == "" {
				w.annotate("app", limitKey+"-")
				return
			}
			w.annotate("app", limitKey+"="+policy)
		},
		"of an AWSIAMRole": func(w *world, policy string) {
			spec := []string{"roleReference: app"}
			if policy != "" {
				spec = append(spec, "sessionPolicy: "+jsonText(w.t, policy))
			}
			w.role("app", "", spec...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.sharedRole("app")
			w.start()
			secretName := "app"
			if name == "of a ServiceAccount" {
				secretName = "app.aws-iam"
				w.accountWith("app", map[string]string{"iam.amazonaws.com/role": "app", limitKey: "\n" + strings.ReplaceAll(readBucket, ",", ",\n ")})
			} else {
				change(w, readBucket)
			}
			limited := w.secret(secretName, nil)
			require.ErrorContains(t, w.getsRole(limited), "because no session policy allows the iam:GetRole action")
			assert.JSONEq(t, readBucket, limited.Annotations[limitKey])

			change(w, getRole)
			wider := w.secret(secretName, limited)
			require.NoError(t, w.getsRole(wider), "the change is used at once")
			assert.JSONEq(t, getRole, wider.Annotations[limitKey])

			change(w, "")
			unlimited := w.secret(secretName, wider)
			require.NoError(t, w.getsRole(unlimited))
			assert.NotContains(t, unlimited.Annotations, limitKey)
			assert.Equal(t, []string{readBucket, getRole, ""}, w.sessionPolicies())
		})
	}
}

func TestASessionPolicyOfAManagedRoleNeedsNoIAM(t *testing.T) {
	w := newWorld(t)
	w.provisioning()
	w.accountWith("app", map[string]string{policyKey: getRole})
	secret := w.secret("app.aws-iam", nil)
	writes, reads := w.iamWrites(), w.aws.Counts()["GetRole"]
	w.annotate("app", limitKey+"="+sendQueue)
	limited := w.secret("app.aws-iam", secret)
	for secret, want := range map[*corev1.Secret]bool{secret: true, limited: false} {
		may, err := w.aws.Allows(read(t, secret).AccessKeyID, "s3:GetObject", "arn:aws:s3:::example-bucket/test/"+w.namespace+"/key", nil)
		require.NoError(t, err)
		assert.Equal(t, want, may)
	}
	assert.Equal(t, writes, w.iamWrites())
	assert.Equal(t, reads, w.aws.Counts()["GetRole"])
}

// incompressible returns a session policy that is short enough and packs badly.
func incompressible() string {
	name := make([]byte, 1380)
	_, _ = rand.Read(name)
	return strings.Replace(readBucket, "bucket/", "bucket/"+base64.RawURLEncoding.EncodeToString(name), 1)
}

func TestARefusedSessionPolicyKeepsTheLimitFromBefore(t *testing.T) {
	tooLarge := incompressible()
	require.LessOrEqual(t, len(tooLarge), 2048)
	for name, tc := range map[string]struct {
		change       []string
		reason, says string
	}{
		"malformed": {
			[]string{limitKey + "=" + strings.Replace(readBucket, `"Effect"`, `"Principal":"*","Effect"`, 1)}, "InvalidAnnotation",
			limitKey + ": statement 1 has a Principal: remove it",
		},
		"refused by STS": {
			[]string{limitKey + "=" + tooLarge}, "GetCredentialsFailed", "of allotted space, please use smaller policy; what counts is the size of session policy and session tags together",
		},
		"under a misspelt name": {
			[]string{limitKey + "-", "iam.amazonaws.com/session_policy=" + getRole}, "UnknownAnnotation", "may be a misspelling of " + limitKey + ": rename it, or remove it",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.sharedRole("app")
			w.aws.SetSession(20 * time.Second)
			c := w.start("--refresh-limit=10s")
			w.accountWith("app", map[string]string{"iam.amazonaws.com/role": "app", limitKey: readBucket})
			w.secret("app.aws-iam", nil)
			w.annotate("app", tc.change...)
			w.eventSays("ServiceAccount", "app", tc.reason, tc.says)
			renewed := w.secret("app.aws-iam", w.secret("app.aws-iam", nil))

			_, err := c.Stop(t.Context())
			require.NoError(t, err)
			w.start("--refresh-limit=10s") // which knows of the limit from the Secret alone
			w.secret("app.aws-iam", renewed)
			issued := w.sessionPolicies()
			assert.Equal(t, slices.Repeat([]string{readBucket}, len(issued)), issued, "no session was without the limit")
			assert.JSONEq(t, readBucket, w.secret("app.aws-iam", nil).Annotations[limitKey])

			w.annotate("app", limitKey+"="+getRole, "iam.amazonaws.com/session_policy-")
			w.eventually(func(ctx context.Context) error {
				if w.field("secret/app.aws-iam", `.metadata.annotations.iam\.amazonaws\.com/session-policy`) != getRole {
					return errors.New("what is asked for now has not arrived")
				}
				return ctx.Err()
			})
			require.NoError(t, w.getsRole(w.secret("app.aws-iam", nil)))
		})
	}
}

func TestASessionPolicyThatIsTakenOffASecretIsRestored(t *testing.T) {
	w := newWorld(t)
	w.sharedRole("app")
	w.start()
	w.accountWith("app", map[string]string{"iam.amazonaws.com/role": "app", limitKey: readBucket})
	secret := w.secret("app.aws-iam", nil)
	// Under the controller's name, so that the record of who wrote what does not tell.
	_, err := w.Client().CoreV1().Secrets(w.namespace).Patch(t.Context(), "app.aws-iam", types.MergePatchType,
		fmt.Appendf(nil, `{"metadata":{"annotations":{%q:null}}}`, limitKey), metav1.PatchOptions{FieldManager: "kube-aws-iam-controller"})
	require.NoError(t, err)
	restored := w.secret("app.aws-iam", secret)
	assert.JSONEq(t, readBucket, restored.Annotations[limitKey])
	assert.Equal(t, []string{readBucket, readBucket}, w.sessionPolicies())
}

func TestAnEmptySessionPolicyOfAnAWSIAMRoleIsRefused(t *testing.T) {
	w := newWorld(t)
	manifest := "apiVersion: zalando.org/v1\nkind: AWSIAMRole\nmetadata: {name: app, namespace: " + w.namespace + "}\nspec: {roleReference: app, sessionPolicy: \"\"}\n"
	require.ErrorContains(t, w.objects().ApplyYAML(t.Context(), "awsiamrole/app", manifest), "spec.sessionPolicy in body should be at least 1 chars long")
}

func TestVariablesInTheSessionPolicyOfAnAWSIAMRoleAreRefused(t *testing.T) {
	w := newWorld(t)
	w.sharedRole("shared")
	w.start()
	w.role("app", "", "roleReference: shared", "sessionPolicy: "+jsonText(t, strings.ReplaceAll(readBucket, "bucket/*", "bucket/$(namespace)/*")))
	assert.Contains(t, w.event("AWSIAMRole", "app", "GetCredentialsFailed"), "spec.sessionPolicy: it has variables, such as $(namespace)")
}

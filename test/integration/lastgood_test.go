package integration

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"kube-aws-iam-controller/internal/awssim"
)

// staysFresh waits until a Secret has been renewed several times, always in time and for the same role, while something
// else is asked for that is refused.
func (w *world) staysFresh(name string) {
	w.t.Helper()
	secret := w.secret(name, nil)
	for range 2 {
		next := w.secret(name, secret)
		assert.Equal(w.t, secret.UID, next.UID)
		assert.Equal(w.t, string(secret.Data["role-arn"]), string(next.Data["role-arn"]))
		assert.True(w.t, read(w.t, next).expires(w.t).After(time.Now()))
		assert.True(w.t, read(w.t, secret).expires(w.t).After(time.Now()), "renewed before it ran out")
		secret = next
	}
}

func TestAChangeThatAWSRefusesEndsNothingThatWasGood(t *testing.T) {
	const (
		roleKey    = "iam.amazonaws.com/role"
		managedKey = "iam.amazonaws.com/managed-policies"
	)
	tests := map[string]struct {
		start        map[string]string
		change, mend []string
		fault        *awssim.Fault
		reason       string
		back         bool // what is asked for in the end is what was good
	}{
		"a role that is misspelt": {
			map[string]string{roleKey: "app"}, []string{roleKey + "=typo"}, []string{roleKey + "=other"}, nil, "GetCredentialsFailed", false,
		},
		"a policy that IAM refuses": {
			map[string]string{policyKey: readBucket}, []string{policyKey + "=" + sendQueue}, nil,
			&awssim.Fault{Action: "PutRolePolicy", Code: "MalformedPolicyDocument"}, "ProvisionFailed", false,
		},
		"a managed policy that does not exist": {
			map[string]string{policyKey: readBucket}, []string{managedKey + "=arn:aws:iam::aws:policy/NoSuchPolicy"}, []string{managedKey + "-"}, nil, "ProvisionFailed", true,
		},
		"a valid change while IAM is away": {
			map[string]string{policyKey: readBucket}, []string{policyKey + "=" + sendQueue}, nil,
			&awssim.Fault{Action: "PutRolePolicy", Code: "ServiceFailure"}, "ProvisionFailed", false,
		},
		"an existing role in place of a managed one, misspelt": {
			map[string]string{policyKey: readBucket}, []string{policyKey + "-", roleKey + "=typo"}, []string{roleKey + "=other"}, nil, "GetCredentialsFailed", false,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.iamRole("", "app")
			w.iamRole("", "other")
			w.aws.SetSession(20 * time.Second)
			w.provisioning("--refresh-limit=10s")
			w.accountWith("app", tc.start)
			before := w.secret("app.aws-iam", nil)
			if tc.fault != nil {
				w.aws.SetFaults(*tc.fault)
			}
			w.annotate("app", tc.change...)
			w.event("ServiceAccount", "app", tc.reason)
			w.staysFresh("app.aws-iam")
			w.eventually(func(ctx context.Context) error {
				pinned := w.field("secret/app.aws-iam", `.metadata.annotations.iam\.amazonaws\.com/spec-hash`)
				if pinned != before.Annotations["iam.amazonaws.com/spec-hash"] {
					return fmt.Errorf("the Secret says that it was issued for what is refused")
				}
				return ctx.Err()
			})

			w.aws.SetFaults()
			if tc.mend != nil {
				w.annotate("app", tc.mend...)
			}
			w.eventually(func(context.Context) error {
				now := w.field("secret/app.aws-iam", `.metadata.annotations.iam\.amazonaws\.com/spec-hash`)
				if isBefore := now == before.Annotations["iam.amazonaws.com/spec-hash"]; isBefore != tc.back {
					return errors.New("what is asked for now has not arrived")
				}
				return nil
			})
		})
	}
}

func TestALookAtIAMDelaysNoRenewal(t *testing.T) {
	w := newWorld(t)
	w.aws.SetSession(30 * time.Second)
	w.provisioning("--refresh-limit=15s", "--drift-interval=5s")
	w.accountWith("app", map[string]string{policyKey: readBucket})
	w.secret("app.aws-iam", nil)
	w.aws.SetFaults(awssim.Fault{Action: "GetRole", Code: "ServiceFailure"})
	w.event("ServiceAccount", "app", "ProvisionFailed")
	w.staysFresh("app.aws-iam")
}

func TestAPodThatComesAfterTheFailureIsTold(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.account("bad", "not a role")
	w.event("ServiceAccount", "bad", "InvalidAnnotation")
	w.account("denied", "no-such-role")
	w.event("ServiceAccount", "denied", "GetCredentialsFailed")
	for _, name := range []string{"bad", "denied"} {
		_, err := w.Client().CoreV1().Pods(w.namespace).Create(t.Context(), &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec:       corev1.PodSpec{ServiceAccountName: name, Containers: []corev1.Container{{Name: "app", Image: "app"}}},
		}, metav1.CreateOptions{})
		require.NoError(t, err)
	}
	assert.Contains(t, w.event("Pod", "bad", "InvalidAnnotation"), "not a role")
	assert.Contains(t, w.event("Pod", "denied", "GetCredentialsFailed"), "no-such-role")
}

package upgrade

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/test/cluster"
	"kube-aws-iam-controller/test/kit"
)

const readBucket = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/*"}]}`

// TestAnUpgradeChangesNoWorkingIdentity goes from the version before to this one and back, in the orders in which it happens:
// the image first, the manifests first. After each step everything is as it was, is renewed as the same session of the same
// role, and gives pods the same.
func TestAnUpgradeChangesNoWorkingIdentity(t *testing.T) {
	kit.FullOnly(t, "builds the version before, and goes to this one and back")
	before := thePrevious(t)
	now := thisVersion(t)
	w := newWorld(t, before)
	w.install(before)
	w.run(before)
	were := w.identities()
	w.askForIRSA()

	for _, step := range []struct {
		name string
		do   func()
	}{
		{"the image is upgraded", func() { w.run(now) }},
		{"the manifests are upgraded", func() { w.install(now) }},
		{"the image is taken back", func() { w.run(before) }},
		{"the image is upgraded again, with the manifests there already", func() { w.run(now) }},
	} {
		step.do()
		w.awaitLooks(were)
		w.assertSame(step.name, were)
		w.renew(were)
		w.assertSame(step.name+", and all is renewed", were)
		w.assertIRSAIsNotRead(step.name)
	}
	w.assertRetainedComesBack(were)
}

func thisVersion(t *testing.T) version {
	t.Helper()
	root, err := cluster.Root()
	require.NoError(t, err)
	binary, err := kit.BuildController(t.Context())
	require.NoError(t, err)
	return version{root: root, binary: binary}
}

// An identity is what a workload has.
type identity struct {
	secret *corev1.Secret
	// holder is whose credentials it holds.
	holder string
	// pod is what its pods are given, of a ServiceAccount.
	pod corev1.PodSpec
}

// identities makes one of each kind, and returns them by the names of their Secrets.
func (w *world) identities() map[string]*identity {
	w.t.Helper()
	trusted := w.aws.TrustPolicy(w.namespace + "/test")
	open := strings.ReplaceAll(trusted, `"Condition":{"StringEquals":{"sts:ExternalId":"`+w.namespace+`/test"}},`, "")
	require.NotEqual(w.t, trusted, open)
	w.role(kit.AccountID, "existing", trusted)
	w.role(kit.AccountID, "open", open)
	elsewhere := w.role(kit.OtherAccountID, "existing", trusted)
	openElsewhere := w.role(kit.OtherAccountID, "open", open)
	wanted := map[string][]string{
		"existing":                        {"role", "existing"},
		"open":                            {"role", "open"},
		"elsewhere":                       {"role", elsewhere},
		"own":                             {"role-policy", readBucket},
		"endpoint":                        {"role", "existing", "delivery", "endpoint", "region", "eu-central-1"},
		"file":                            {"role-policy", readBucket, "delivery", "file", "session-duration", "2h"},
		"retained":                        {"role-policy", readBucket, "deletion-policy", "Retain"},
		"long-" + strings.Repeat("x", 90): {"role-policy", readBucket},
	}
	found := map[string]*identity{}
	for name, annotations := range wanted {
		w.account(name, annotations...)
		found[name+".aws-iam"] = nil
	}
	for name, reference := range map[string]string{"resource": "existing", "resource-elsewhere": openElsewhere} {
		w.resource(name, reference)
		found[name] = nil
	}
	for name := range found {
		i := &identity{secret: w.secret(name, nil)}
		i.holder = w.holder(i.secret)
		if account, is := strings.CutSuffix(name, ".aws-iam"); is {
			w.admitted(account)
			i.pod = w.pod(account)
		}
		found[name] = i
	}
	return found
}

// admitted returns once pods of a ServiceAccount are given something: policies are in force a moment after they are created.
func (w *world) admitted(account string) {
	w.t.Helper()
	w.eventually(func(context.Context) error {
		if len(w.pod(account).Containers[0].Env) == 0 {
			return errors.New("pods are not mutated yet")
		}
		return nil
	})
}

// awaitLooks returns once every managed role was looked at, and so corrected.
func (w *world) awaitLooks(identities map[string]*identity) {
	w.t.Helper()
	begin := len(w.aws.Calls())
	for name, i := range identities {
		role := string(i.secret.Data["role-arn"])
		if !strings.Contains(role, ":role/kube-aws-iam-controller/") {
			continue
		}
		w.eventually(func(context.Context) error {
			looks := 0
			for _, call := range w.aws.Calls()[begin:] {
				if call.Action == "GetRole" && strings.HasSuffix(role, "/"+call.Params["RoleName"]) {
					looks++
				}
			}
			if looks < 2 { // the first may have begun before
				return fmt.Errorf("the role of %s was not looked at", name)
			}
			return nil
		})
	}
}

// assertSame shows that nothing was taken away, and that pods are given the same.
func (w *world) assertSame(after string, identities map[string]*identity) {
	w.t.Helper()
	for _, name := range slices.Sorted(maps.Keys(identities)) {
		was := identities[name]
		secret := w.secret(name, nil)
		assert.Equal(w.t, was.secret.UID, secret.UID, "%s: the Secret %s", after, name)
		assert.Equal(w.t, was.secret.Data, secret.Data, "%s: what is in the Secret %s", after, name)
		assert.Equal(w.t, was.holder, w.holder(secret), "%s: whose credentials are in %s", after, name)
		if account, is := strings.CutSuffix(name, ".aws-iam"); is {
			assert.Equal(w.t, was.pod, w.pod(account), "%s: pods of %s", after, account)
		}
	}
}

// renew has all credentials issued anew, by deleting the Secrets.
func (w *world) renew(identities map[string]*identity) {
	w.t.Helper()
	for name := range identities {
		require.NoError(w.t, w.Client().CoreV1().Secrets(w.namespace).Delete(w.t.Context(), name, metav1.DeleteOptions{}))
	}
	for name, i := range identities {
		i.secret = w.secret(name, i.secret)
	}
}

// assertRetainedComesBack shows that a role that was kept is that of the ServiceAccount that comes back.
func (w *world) assertRetainedComesBack(were map[string]*identity) {
	w.t.Helper()
	accounts := w.Client().CoreV1().ServiceAccounts(w.namespace)
	require.NoError(w.t, accounts.Delete(w.t.Context(), "retained", metav1.DeleteOptions{}))
	w.eventually(func(ctx context.Context) error {
		_, err := accounts.Get(ctx, "retained", metav1.GetOptions{})
		if err == nil {
			return fmt.Errorf("the ServiceAccount is still there")
		}
		return nil
	})
	was := were["retained.aws-iam"]
	w.account("retained", "role-policy", readBucket)
	assert.Equal(w.t, was.holder, w.holder(w.secret("retained.aws-iam", was.secret)))
}

// askForIRSA makes a ServiceAccount that asks the webhook of EKS for a role, and nobody else.
func (w *world) askForIRSA() {
	w.t.Helper()
	_, err := w.Client().CoreV1().ServiceAccounts(w.namespace).Create(w.t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{
		Name: "irsa", Annotations: map[string]string{"eks.amazonaws.com/role-arn": kit.ARN(kit.AccountID, "", "existing")},
	}}, metav1.CreateOptions{})
	require.NoError(w.t, err)
}

// assertIRSAIsNotRead shows that it has nothing, until a flag says that it may.
func (w *world) assertIRSAIsNotRead(after string) {
	w.t.Helper()
	_, err := w.Client().CoreV1().Secrets(w.namespace).Get(w.t.Context(), "irsa.aws-iam", metav1.GetOptions{})
	assert.True(w.t, apierrors.IsNotFound(err), "%s: %v", after, err)
	pod := w.pod("irsa")
	assert.Empty(w.t, pod.Volumes, after)
	assert.Empty(w.t, pod.Containers[0].Env, after)
}

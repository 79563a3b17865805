package integration

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/test/kit"
)

// refusesOurs is a policy of somebody else that refuses the controller's Secrets.
const refusesOurs = `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: company}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: [v1], resources: [secrets], operations: [CREATE]}]
  validations: [{expression: "!('heritage' in object.metadata.?labels.orValue({}))", message: nothing with a heritage}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: company}
spec: {policyName: company, validationActions: [Deny]}
`

func TestTheSeedOfThePredecessorStaysIfItsSuccessorIsRefused(t *testing.T) {
	o := newOutsider(t)
	name, before := o.predecessorsSeed()
	_, err := o.KubectlInput(t.Context(), strings.NewReader(refusesOurs), "apply", "-f", "-")
	require.NoError(t, err)
	o.eventually(func(ctx context.Context) error {
		_, err := o.Client().CoreV1().Secrets(kit.Namespace).Create(ctx, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: "probe", Labels: map[string]string{"heritage": "x"}},
		}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if !apierrors.IsInvalid(err) && !apierrors.IsForbidden(err) {
			return errors.Join(errors.New("the policy is not in force yet"), err)
		}
		return nil
	})
	out, code := o.bootstrap("awsiamrole/" + name)
	assert.Equal(t, 1, code)
	assert.Contains(t, out, "nothing with a heritage")
	assert.Contains(t, out, "nothing was changed")
	assert.Equal(t, before, o.seed())
}

package compat

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"kube-aws-iam-controller/test/cluster"
	"kube-aws-iam-controller/test/kit"
)

// startReplicas runs two controllers, as the Deployment does. The first answers the API server.
func (r *run) startReplicas() {
	r.t.Helper()
	r.say("two replicas")
	port, err := cluster.FreePort(r.t.Context())
	require.NoError(r.t, err)
	r.replicas = []*kit.Controller{
		r.controller(r.t, "first", r.webhook),
		r.controller(r.t, "second", fmt.Sprintf("localhost:%d", port)),
	}
	for _, each := range r.replicas {
		r.t.Cleanup(each.Kill)
	}
}

// role adds an IAM role for a namespace, and returns its name.
func (r *run) role(t *testing.T, namespace string) string {
	t.Helper()
	_, err := r.aws.Role(kit.AccountID, "", namespace, namespace+"/test")
	require.NoError(t, err)
	return namespace
}

// served waits for a Secret whose credentials STS knows as a role's.
func (r *run) served(t *testing.T, namespace, secret, role string) {
	t.Helper()
	_, err := kit.In(r.Access, namespace).Secret(t.Context(), secret, func(found *corev1.Secret) error {
		creds, err := kit.Read(found)
		if err != nil {
			return err
		}
		who, err := r.aws.WhoAmI(t.Context(), creds.AccessKeyID, creds.SecretAccessKey, creds.SessionToken)
		if err == nil && !strings.Contains(who, ":assumed-role/"+role+"/") {
			err = fmt.Errorf("the credentials are those of %s", who)
		}
		return err
	})
	require.NoError(t, err)
}

// resource creates an AWSIAMRole.
func (r *run) resource(t *testing.T, namespace, name, role string) {
	t.Helper()
	_, err := r.KubectlInput(t.Context(), strings.NewReader(fmt.Sprintf(
		"apiVersion: zalando.org/v1\nkind: AWSIAMRole\nmetadata: {name: %s, namespace: %s}\nspec: {roleReference: %q}\n", name, namespace, role)), "apply", "-f", "-")
	require.NoError(t, err)
}

func (r *run) sourcesAreServed(t *testing.T) {
	t.Helper()
	namespace := r.NewNamespace(t)
	role := r.role(t, namespace)
	_, err := kit.In(r.Access, namespace).Account(t.Context(), "app", map[string]string{"role": role})
	require.NoError(t, err)
	r.resource(t, namespace, "db", role)
	r.served(t, namespace, "app.aws-iam", role)
	r.served(t, namespace, "db", role)
	require.NoError(t, kit.Eventually(t.Context(), kit.Within, func(ctx context.Context) error {
		status, err := r.Kubectl(ctx, "get", "awsiamrole", "db", "-n", namespace, "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].status}`)
		if err == nil && status != "True" {
			err = fmt.Errorf("the condition Ready of the AWSIAMRole is %q", status)
		}
		return err
	}))
}

// otherTakesOver kills the leader as a crash does.
func (r *run) otherTakesOver(t *testing.T) {
	t.Helper()
	namespace := r.NewNamespace(t)
	role, objects := r.role(t, namespace), kit.In(r.Access, namespace)
	_, err := objects.Account(t.Context(), "before", map[string]string{"role": role})
	require.NoError(t, err)
	r.served(t, namespace, "before.aws-iam", role)
	leader, other := r.replicas[0], r.replicas[1]
	if leader.Leads(t.Context(), 1) != nil {
		leader, other = other, leader
	}
	require.NoError(t, leader.Leads(t.Context(), 1))
	require.NoError(t, other.Leads(t.Context(), 0))
	leader.Kill()
	require.NoError(t, kit.Eventually(t.Context(), kit.Within, func(ctx context.Context) error { return other.Leads(ctx, 1) }))
	_, err = objects.Account(t.Context(), "after", map[string]string{"role": role})
	require.NoError(t, err)
	r.served(t, namespace, "after.aws-iam", role)
}

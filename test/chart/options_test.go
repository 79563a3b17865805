package chart

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCertManagerProvidesTheWebhooksCertificate(t *testing.T) {
	made := render(t, `{clusterName: c, admission: {mode: webhook, webhook: {certificate: {mode: certManager}, excludedNamespaces: [cert-manager]}}}`)
	certificate := text(t, made.Objects, "Certificate", "kube-aws-iam-controller-webhook")
	assert.Contains(t, certificate, "- kube-aws-iam-controller-webhook.kube-system.svc\n")
	assert.Contains(t, certificate, "secretName: kube-aws-iam-controller-webhook-tls\n")
	assert.Contains(t, certificate, "issuerRef:\n    name: kube-aws-iam-controller-webhook\n")
	assert.Contains(t, text(t, made.Objects, "Issuer", "kube-aws-iam-controller-webhook"), "selfSigned: {}")
	webhook := text(t, made.Objects, "MutatingWebhookConfiguration", "kube-aws-iam-controller-webhook")
	assert.Contains(t, webhook, "cert-manager.io/inject-ca-from: kube-system/kube-aws-iam-controller-webhook\n")
	assert.Contains(t, webhook, "path: /mutate-pods\n")
	assert.Contains(t, webhook, "      - kube-system\n      - cert-manager\n")
	assert.NotContains(t, webhook, "caBundle", "cert-manager writes it, and an upgrade leaves it alone")
	pod := made.pod(t)
	assert.Equal(t, "kube-aws-iam-controller-webhook-tls", pod.Volumes[0].Secret.SecretName)
	assert.Contains(t, pod.Containers[0].Args, "--webhook-cert-file="+pod.Containers[0].VolumeMounts[0].MountPath+"/tls.crt")
	for _, kind := range []string{"ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "Secret"} {
		_, found := find(made.Objects, kind, "kube-aws-iam-controller-webhook")
		assert.False(t, found, "%s: the controller has nothing to write", kind)
	}
	assert.NotContains(t, text(t, made.Hooks, "Job", "kube-aws-iam-controller-uninstall"), "webhook-tls", "it serves nothing")

	made = render(t, `{clusterName: c, admission: {mode: webhook, webhook: {certificate: {mode: certManager, issuerRef: {name: ca, kind: ClusterIssuer}}, excludedNamespaces: [cert-manager]}}}`)
	assert.Contains(t, text(t, made.Objects, "Certificate", "kube-aws-iam-controller-webhook"), "issuerRef:\n    kind: ClusterIssuer\n    name: ca\n")
	_, found := find(made.Objects, "Issuer", "kube-aws-iam-controller-webhook")
	assert.False(t, found)
}

func TestMoreObjectsAreInstalledWithTheRelease(t *testing.T) {
	made := render(t, `
clusterName: c
extraObjects:
  - {apiVersion: v1, kind: ConfigMap, metadata: {name: first, namespace: "{{ .Release.Namespace }}"}}
  - {apiVersion: v1, kind: ConfigMap, metadata: {name: second}, data: {cluster: "{{ .Values.clusterName }}"}}
`)
	first, found := find(made.Objects, "ConfigMap", "first")
	require.True(t, found)
	assert.Equal(t, "kube-system", first.GetNamespace())
	assert.Contains(t, text(t, made.Objects, "ConfigMap", "second"), "cluster: c")
}

func TestRunbooksAreWhereTheInstallerSays(t *testing.T) {
	for _, base := range []string{"", "https://git.example.com/r/blob/v1.0.0/"} {
		made := render(t, `{clusterName: c, metrics: {prometheusRule: {enabled: true, runbookBaseURL: "`+base+`"}}}`)
		rules, want := text(t, made.Objects, "PrometheusRule", Name), "runbook_url: "+base+"docs/operations.md#"
		assert.Equal(t, strings.Count(rules, "alert: "), strings.Count(rules, want), "each alert has its runbook")
		assert.NotZero(t, strings.Count(rules, want))
	}
}

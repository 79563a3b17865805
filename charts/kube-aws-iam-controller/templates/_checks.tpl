{{- /* What no schema can say. */}}
{{- define "kube-aws-iam-controller.check" -}}
{{- $v := .Values -}}
{{- if not $v.clusterName }}
{{- fail "clusterName is required: name this cluster, uniquely among the clusters that use the same AWS accounts, such as --set clusterName=demo-cluster. It is the second half of every external ID." }}
{{- end }}
{{- $c := $v.aws.credentials }}
{{- if and (has $c.mode (list "irsa" "webIdentity")) (not $c.roleArn) }}
{{- fail (printf "aws.credentials.mode %s needs aws.credentials.roleArn: the ARN of the controller's role." $c.mode) }}
{{- end }}
{{- if and $c.roleArn (not (has $c.mode (list "irsa" "webIdentity"))) }}
{{- fail (printf "aws.credentials.roleArn has no effect with aws.credentials.mode %s: set the mode to irsa or webIdentity, or leave the ARN out. A role to go through is aws.assumeRole." $c.mode) }}
{{- end }}
{{- if and (eq $c.mode "irsa") (not $v.serviceAccount.create) }}
{{- fail "aws.credentials.mode irsa annotates the ServiceAccount, which serviceAccount.create=false leaves alone: annotate it with eks.amazonaws.com/role-arn yourself, and set the mode to default." }}
{{- end }}
{{- if ne (eq $c.mode "existingSecret") (ne $c.existingSecret "") }}
{{- fail "aws.credentials.mode existingSecret and aws.credentials.existingSecret, the name of the Secret with the key credentials.json, go together." }}
{{- end }}
{{- if and $v.irsaAnnotations.force (not $v.irsaAnnotations.enabled) }}
{{- fail "irsaAnnotations.force has no effect without irsaAnnotations.enabled: set both, or neither." }}
{{- end }}
{{- if and $v.irsaAnnotations.enabled (not $v.irsaAnnotations.force) (has $c.mode (list "irsa" "podIdentity")) }}
{{- fail (printf "irsaAnnotations.enabled is not for EKS, whose webhook reads eks.amazonaws.com/role-arn too, and aws.credentials.mode %s needs that webhook: leave irsaAnnotations out, or set irsaAnnotations.force as well." $c.mode) }}
{{- end }}
{{- if and $v.irsaAnnotations.enabled (not $v.irsaAnnotations.force) (not $v.namespaces.only) }}
{{- /* The policy would give pods of EKS a Secret that no controller writes. */}}
{{- /* The controller recognizes more of them: see internal/ekswebhook. */}}
{{- range (lookup "admissionregistration.k8s.io/v1" "MutatingWebhookConfiguration" "" "").items }}
{{- $name := .metadata.name }}
{{- range .webhooks }}
{{- if has .name (list "iam-for-pods.amazonaws.com" "pod-identity-webhook.amazonaws.com" "pod-identity-webhook.aws.mutate.io") }}
{{- fail (printf "irsaAnnotations.enabled: the webhook of EKS is in this cluster (MutatingWebhookConfiguration %s), and reads eks.amazonaws.com/role-arn too: leave irsaAnnotations out, or set irsaAnnotations.force as well." $name) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- if and $v.managedRoles.permissionsBoundary $v.managedRoles.allowWithoutBoundary }}
{{- fail "managedRoles.allowWithoutBoundary has no effect with managedRoles.permissionsBoundary: leave one of them out." }}
{{- end }}
{{- if and $v.metrics.serviceMonitor.enabled $v.metrics.podMonitor.enabled }}
{{- fail "metrics.serviceMonitor and metrics.podMonitor would scrape everything twice: enable one of them." }}
{{- end }}
{{- if and $v.metrics.podMonitor.enabled $v.metrics.authentication.enabled }}
{{- fail "a PodMonitor cannot send the token of Prometheus that metrics.authentication asks for: enable metrics.serviceMonitor instead." }}
{{- end }}
{{- if and $v.metrics.insecureIdentityMetrics $v.metrics.authentication.enabled }}
{{- fail "metrics.insecureIdentityMetrics has no effect with metrics.authentication, which serves all metrics to authorized clients only: leave one of them out." }}
{{- end }}
{{- $own := dict
  "podLabels" (list "app.kubernetes.io/name" "app.kubernetes.io/instance" "iam.amazonaws.com/inject" "iam.amazonaws.com/webhook-path")
  "commonLabels" (list "helm.sh/chart" "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/version" "app.kubernetes.io/managed-by")
  "podAnnotations" (list "checksum/settings")
}}
{{- range $value, $keys := $own }}
{{- range $key := $keys }}
{{- if hasKey (index $v $value) $key }}
{{- fail (printf "%s must not set %s, which has a meaning for selectors, policies, Helm or the controller: leave it out." $value $key) }}
{{- end }}
{{- end }}
{{- end }}
{{- if and (eq $v.dnsPolicy "None") (not $v.dnsConfig) }}
{{- fail "dnsPolicy None needs dnsConfig: without nameservers the controller finds neither AWS nor the API server." }}
{{- end }}
{{- $cert := $v.admission.webhook.certificate }}
{{- if ne $cert.mode "controller" }}
{{- if not (include "kube-aws-iam-controller.byWebhook" .) }}
{{- fail (printf "admission.webhook.certificate.mode %s has no effect without the webhook: set admission.mode to webhook, or leave it out." $cert.mode) }}
{{- end }}
{{- if and (eq $cert.mode "certManager") (not $v.admission.webhook.excludedNamespaces) }}
{{- fail "admission.webhook.certificate.mode certManager needs admission.webhook.excludedNamespaces with cert-manager's namespace: its pods must not wait for a webhook that waits for their certificate." }}
{{- end }}
{{- if eq $cert.secretName "kube-aws-iam-controller-webhook" }}
{{- fail "admission.webhook.certificate.secretName kube-aws-iam-controller-webhook is the Secret that the guard lets the controller write: name another one." }}
{{- end }}
{{- end }}
{{- if ne (eq $cert.mode "existingSecret") (ne $cert.caCertificate "") }}
{{- fail "admission.webhook.certificate.mode existingSecret and admission.webhook.certificate.caCertificate, the authority that signed the certificate, go together." }}
{{- end }}
{{- if and $cert.issuerRef (ne $cert.mode "certManager") }}
{{- fail (printf "admission.webhook.certificate.issuerRef has no effect with mode %s: set the mode to certManager, or leave it out." $cert.mode) }}
{{- end }}
{{- if and $cert.issuerRef (not $cert.issuerRef.name) }}
{{- fail "admission.webhook.certificate.issuerRef needs a name: which Issuer or ClusterIssuer signs the certificate." }}
{{- end }}
{{- if and (not $v.serviceAccount.create) (not $v.serviceAccount.name) }}
{{- fail "serviceAccount.create=false needs serviceAccount.name: which ServiceAccount is the controller's." }}
{{- end }}
{{- if $v.namespaces.only }}
{{- if eq $v.admission.mode "webhook" }}
{{- fail "admission.mode webhook is for a controller of all namespaces: with namespaces.only, leave it at auto, and have a cluster administrator install the policy once, or mount the Secrets yourself." }}
{{- end }}
{{- if $v.namespaces.protectRules }}
{{- fail "namespaces.protectRules concerns all namespaces: leave it out with namespaces.only." }}
{{- end }}
{{- if $v.metrics.authentication.enabled }}
{{- fail "metrics.authentication needs permissions on the cluster: leave it out with namespaces.only." }}
{{- end }}
{{- end }}
{{- end }}

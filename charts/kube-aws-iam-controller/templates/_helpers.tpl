{{- define "kube-aws-iam-controller.selectorLabels" -}}
{{- /* As in manifests/, so that an installation by kustomize can become one of Helm: selectors cannot change. */ -}}
app.kubernetes.io/name: kube-aws-iam-controller
{{- end }}

{{- define "kube-aws-iam-controller.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name (replace "+" "_" .Chart.Version) | trunc 63 | trimSuffix "-" }}
{{ include "kube-aws-iam-controller.selectorLabels" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- with .Chart.AppVersion }}
app.kubernetes.io/version: {{ regexReplaceAll "[^-_.A-Za-z0-9]" . "_" | trunc 63 | quote }}
{{- end }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "kube-aws-iam-controller.serviceAccountName" -}}
{{ .Values.serviceAccount.name | default "kube-aws-iam-controller" }}
{{- end }}

{{- define "kube-aws-iam-controller.image" -}}
{{- with .Values.image -}}
{{- if .digest }}{{ printf "%s@%s" .repository .digest }}{{ else }}{{ printf "%s:%s" .repository (.tag | default $.Chart.AppVersion) }}{{ end }}
{{- end }}
{{- end }}

{{- /* How pods get their credentials. Offline, where Helm does not know the API server's kinds, its version has to tell. */}}
{{- define "kube-aws-iam-controller.admission" -}}
{{- $kinds := .Capabilities.APIVersions -}}
{{- $policies := "admissionregistration.k8s.io/v1/MutatingAdmissionPolicy" -}}
{{- if ne .Values.admission.mode "auto" }}{{ .Values.admission.mode }}
{{- else if .Values.namespaces.only }}none
{{- else if or ($kinds.Has $policies) (and (not ($kinds.Has "v1/Pod")) (semverCompare ">=1.36.0-0" .Capabilities.KubeVersion.Version)) }}policy
{{- else }}webhook
{{- end }}
{{- end }}

{{- /* The way of admission that is being replaced by the other one, and stays until that is in force; empty if none is.
Helm removes what a release no longer has right after it has created the rest, and no API server has compiled a new policy by
then, nor is a new webhook answered. Without the cluster, as in helm template, Helm cannot see what is installed. */}}
{{- define "kube-aws-iam-controller.replaced" -}}
{{- $mode := include "kube-aws-iam-controller.admission" . -}}
{{- if and (has $mode (list "policy" "webhook")) (not .Values.namespaces.only) }}
{{- $policy := dict }}
{{- if .Capabilities.APIVersions.Has "admissionregistration.k8s.io/v1/MutatingAdmissionPolicy" }}
{{- $policy = lookup "admissionregistration.k8s.io/v1" "MutatingAdmissionPolicyBinding" "" "kube-aws-iam-controller" }}
{{- end }}
{{- $webhook := lookup "admissionregistration.k8s.io/v1" "MutatingWebhookConfiguration" "" "kube-aws-iam-controller-webhook" }}
{{- $new := ternary $policy $webhook (eq $mode "policy") }}
{{- $old := ternary $webhook $policy (eq $mode "policy") }}
{{- $inForce := and $new (include "kube-aws-iam-controller.settled" $new) }}
{{- if or .Values.admission.keepOther (and $old (include "kube-aws-iam-controller.ofRelease" (list . $old)) (not $inForce)) }}
{{- ternary "webhook" "policy" (eq $mode "policy") }}
{{- end }}
{{- end }}
{{- end }}

{{- /* Whether every API server has had the time to see an object, and a webhook has the authority that the controller writes. */}}
{{- define "kube-aws-iam-controller.settled" -}}
{{- $age := sub (now | unixEpoch | int64) (.metadata.creationTimestamp | toDate "2006-01-02T15:04:05Z07:00" | unixEpoch | int64) }}
{{- $announced := true }}
{{- range .webhooks }}
{{- if not .clientConfig.caBundle }}{{ $announced = false }}{{ end }}
{{- end }}
{{- if and $announced (gt $age 15) }}true{{ end }}
{{- end }}

{{- /* Whether an object that was looked up is of this release. */}}
{{- define "kube-aws-iam-controller.ofRelease" -}}
{{- $release := (index . 0).Release }}
{{- with (index . 1).metadata.annotations }}
{{- if and (eq (index . "meta.helm.sh/release-name" | default "") $release.Name) (eq (index . "meta.helm.sh/release-namespace" | default "") $release.Namespace) }}true{{ end }}
{{- end }}
{{- end }}

{{- define "kube-aws-iam-controller.byPolicy" -}}
{{- if has "policy" (list (include "kube-aws-iam-controller.admission" .) (include "kube-aws-iam-controller.replaced" .)) }}true{{ end }}
{{- end }}

{{- define "kube-aws-iam-controller.byWebhook" -}}
{{- if has "webhook" (list (include "kube-aws-iam-controller.admission" .) (include "kube-aws-iam-controller.replaced" .)) }}true{{ end }}
{{- end }}

{{- /* Who provides the webhook's certificate; empty without the webhook. */}}
{{- define "kube-aws-iam-controller.certificate" -}}
{{- if include "kube-aws-iam-controller.byWebhook" . }}{{ .Values.admission.webhook.certificate.mode }}{{ end }}
{{- end }}

{{- /* Whether the open port serves metrics that name identities: if that is asked for, or only named peers reach it. */}}
{{- define "kube-aws-iam-controller.identityMetrics" -}}
{{- with .Values }}
{{- $limited := and .networkPolicy.enabled .networkPolicy.metricsFrom (not .hostNetwork) }}
{{- if and (not .metrics.authentication.enabled) (or .metrics.insecureIdentityMetrics $limited) }}true{{ end }}
{{- end }}
{{- end }}

{{- /* The settings of pods, as flags and as the policy have them. */}}
{{- define "kube-aws-iam-controller.sidecarImage" -}}
{{ .Values.admission.sidecar.image | default (include "kube-aws-iam-controller.image" .) }}
{{- end }}

{{- define "kube-aws-iam-controller.defaultRegion" -}}
{{ .Values.admission.defaultRegion }}
{{- end }}

{{- define "kube-aws-iam-controller.sidecarPullPolicy" -}}
{{ .Values.admission.sidecar.pullPolicy }}
{{- end }}

{{- define "kube-aws-iam-controller.sidecarRequests" -}}
{{ include "kube-aws-iam-controller.pairs" .Values.admission.sidecar.requests | default "none" }}
{{- end }}

{{- define "kube-aws-iam-controller.sidecarLimits" -}}
{{ include "kube-aws-iam-controller.pairs" .Values.admission.sidecar.limits | default "none" }}
{{- end }}

{{- define "kube-aws-iam-controller.sidecarSecurityContext" -}}
{{ include "kube-aws-iam-controller.pairs" .Values.admission.sidecar.securityContext | default "none" }}
{{- end }}

{{- define "kube-aws-iam-controller.irsaAnnotations" -}}
{{- with .Values.irsaAnnotations }}{{ if and .enabled .force }}force{{ else }}{{ .enabled }}{{ end }}{{ end }}
{{- end }}

{{- /* A map as key=value,key=value. Numbers are whole, but Helm may hold them as floats. */}}
{{- define "kube-aws-iam-controller.pairs" -}}
{{- $pairs := list -}}
{{- range $key, $value := . }}
{{- if kindIs "float64" $value }}{{ $value = int64 $value }}{{ end }}
{{- $pairs = append $pairs (printf "%s=%v" $key $value) }}
{{- end }}
{{- join "," $pairs }}
{{- end }}

{{- /* What a pod of ours needs to be the controller: of the Deployment, and of helm test. "volumes" are more of them. */}}
{{- define "kube-aws-iam-controller.pod" -}}
serviceAccountName: {{ include "kube-aws-iam-controller.serviceAccountName" . }}
enableServiceLinks: false
{{- if .Values.hostNetwork }}
hostNetwork: true
{{- end }}
{{- with .Values.dnsPolicy | default (ternary "ClusterFirstWithHostNet" "" .Values.hostNetwork) }}
dnsPolicy: {{ . }}
{{- end }}
{{- with .Values.dnsConfig }}
dnsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.podSecurityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- $volumes := concat (include "kube-aws-iam-controller.credentialVolumes" . | fromYamlArray) (.volumes | default list) .Values.extraVolumes }}
{{- with $volumes }}
volumes:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* Its container. "mounts" are more of them. */}}
{{- define "kube-aws-iam-controller.container" -}}
image: {{ include "kube-aws-iam-controller.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
env:
  - name: POD_NAMESPACE
    valueFrom:
      fieldRef:
        fieldPath: metadata.namespace
  {{- if eq .Values.namespaces.only .Release.Namespace }}
  - name: KUBE_AWS_IAM_NAMESPACE
    valueFrom:
      fieldRef:
        fieldPath: metadata.namespace
  {{- end }}
  {{- with .Values.aws.credentials }}
  {{- if eq .mode "webIdentity" }}
  - name: AWS_WEB_IDENTITY_TOKEN_FILE
    value: /var/run/secrets/aws/token
  - name: AWS_ROLE_ARN
    value: {{ .roleArn | quote }}
  {{- else if eq .mode "existingSecret" }}
  - name: KUBE_AWS_IAM_CREDENTIALS_FILE
    value: /var/run/secrets/aws/credentials.json
  {{- end }}
  {{- end }}
  {{- with .Values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
envFrom:
  - configMapRef:
      name: kube-aws-iam-controller-settings
  {{- with .Values.extraEnvFrom }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .Values.securityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- $mounts := concat (.mounts | default list) .Values.extraVolumeMounts }}
{{- if has .Values.aws.credentials.mode (list "webIdentity" "existingSecret") }}
{{- $mounts = prepend $mounts (dict "name" "aws-credentials" "mountPath" "/var/run/secrets/aws" "readOnly" true) }}
{{- end }}
{{- with $mounts }}
volumeMounts:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "kube-aws-iam-controller.credentialVolumes" -}}
{{- with .Values.aws.credentials -}}
{{- if eq .mode "webIdentity" -}}
- name: aws-credentials
  projected:
    sources:
      - serviceAccountToken:
          audience: sts.amazonaws.com
          expirationSeconds: 3600
          path: token
{{- else if eq .mode "existingSecret" -}}
- name: aws-credentials
  secret:
    secretName: {{ .existingSecret }}
    defaultMode: 0440
{{- else -}}
[]
{{- end }}
{{- end }}
{{- end }}

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

{{- /* Who provides the webhook's certificate; empty without the webhook. */}}
{{- define "kube-aws-iam-controller.certificate" -}}
{{- if eq (include "kube-aws-iam-controller.admission" .) "webhook" }}{{ .Values.admission.webhook.certificate.mode }}{{ end }}
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
